import { csvField, csvNumber } from "../../chart/table";
import { checked } from "../../data/api";
import type { Hparam } from "../../data/facts";
import { heading } from "../../app/runs/columns";
import type { Field } from "./fields";
import type { Row } from "./rows";

type Value = Hparam | undefined;

function titles(fields: readonly Field[], counted: boolean): string[] {
  return ["run", ...(counted ? ["runs"] : []), ...fields.map((field) => heading({ ...field, value: () => undefined }))];
}

function valueOf(row: Row, { id }: Field): Value {
  const value = row.values.get(id);
  return id === "started" && typeof value === "number" ? new Date(value * 1_000).toISOString() : value;
}

/** The rows with values unrounded; `counted`: with how many runs each is. */
export function toCsv(rows: readonly Row[], fields: readonly Field[], counted: boolean): string {
  const cell = (value: Value): string => (value === undefined ? "" : typeof value === "number" ? csvNumber(value) : csvField(String(value)));
  const lines = rows.map((row) => [csvField(row.name), ...(counted ? [row.trials.length] : []), ...fields.map((field) => cell(valueOf(row, field)))].join(","));
  return `${[titles(fields, counted).map(csvField).join(","), ...lines].join("\n")}\n`;
}

/** A list of objects; what a row has not is left out, and what JSON has no number for is a text. */
export function toJson(rows: readonly Row[], fields: readonly Field[], counted: boolean): string {
  const sayable = (value: Value): Value => (typeof value === "number" && !Number.isFinite(value) ? csvNumber(value) : value);
  const objects = rows.map((row) => ({
    run: row.name,
    ...(counted && { runs: row.trials.map(({ run }) => run) }),
    values: Object.fromEntries(fields.map((field, i) => [titles(fields, false)[i + 1], sayable(valueOf(row, field))])),
  }));
  return `${JSON.stringify(objects, null, 1)}\n`;
}

const TEX: Record<string, string> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
};

/** Text that LaTeX sets as it is; what it cannot set at all becomes a blank. */
export function texText(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Surrogate}\s]+/gu, " ")
    .replace(/[\\~^<>|]|[{}$&#%_]/g, (sign) => TEX[sign] ?? `\\${sign}`);
}

/** A number as in print: four digits, powers of ten apart. */
export function texNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "$\\infty$" : "$-\\infty$";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
    const [digits, power] = value.toExponential(3).split("e");
    return `$${String(Number(digits))} \\cdot 10^{${Number(power)}}$`;
  }
  return `$${Number.isInteger(value) ? value : Number(value.toPrecision(4))}$`;
}

/** A table that the packages LaTeX comes with can set. */
export function toLatex(rows: readonly Row[], fields: readonly Field[], counted: boolean): string {
  const cell = (value: Value): string => (value === undefined ? "--" : typeof value === "number" ? texNumber(value) : texText(String(value)));
  const columns = ["l", ...(counted ? ["r"] : []), ...fields.map(({ numeric }) => (numeric ? "r" : "l"))].join("");
  const lines = rows.map((row) => [texText(row.name), ...(counted ? [`$${row.trials.length}$`] : []), ...fields.map((field) => cell(valueOf(row, field)))]);
  return [
    `\\begin{tabular}{${columns}}`,
    "\\hline",
    `${titles(fields, counted).map(texText).join(" & ")} \\\\`,
    "\\hline",
    ...lines.map((line) => `${line.join(" & ")} \\\\`),
    "\\hline",
    "\\end{tabular}",
    "",
  ].join("\n");
}

const STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"];

/** The table as TensorBoard's own download writes it: its sessions, its metrics, all of its columns. */
export async function theirTable(format: "csv" | "json" | "latex"): Promise<Blob> {
  const request = JSON.stringify({ experimentName: "", allowedStatuses: STATUSES, colParams: [], startIndex: 0, sliceSize: 1_000_000 });
  const query = new URLSearchParams({ request, format, columnsVisibility: JSON.stringify(Array(1_000).fill(1)) });
  return (await checked(await fetch(`./data/plugin/hparams/download_data?${query}`))).blob();
}
