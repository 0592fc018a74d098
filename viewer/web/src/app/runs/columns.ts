import { momentText, relativeText, stepText, valueText } from "../../chart/format";
import { csvField } from "../../chart/table";
import type { Hparam } from "../../data/facts";
import { sortNaturally } from "../../data/order";
import type { Subject } from "./subject";

/**
 * A column of the table. In the address it is called "status", "started", "duration", "step", "note" or "labels";
 * "hp:" and a hyperparameter; or "last:", "first:", "min:" or "max:" and a tag.
 */
export interface Column {
  id: string;
  title: string;
  /** What stands small before the title. */
  kind: string;
  width: number;
  /** Numbers stand to the right. */
  numeric: boolean;
  value: (subject: Subject) => Hparam | undefined;
  text: (value: Hparam) => string;
}

export const MEASURES = ["last", "min", "max", "first"] as const;

type Plain = Omit<Column, "id" | "kind">;

function asNumber(format: (value: number) => string): (value: Hparam) => string {
  return (value) => (typeof value === "number" ? format(value) : String(value));
}

const FIXED: Record<string, Plain> = {
  status: { title: "Status", width: 96, numeric: false, value: ({ status }) => status, text: String },
  started: { title: "Started", width: 136, numeric: false, value: ({ started }) => started, text: asNumber(momentText) },
  duration: {
    title: "Duration",
    width: 98,
    numeric: true,
    value: ({ started, ended }) => (started === undefined || ended === undefined ? undefined : ended - started),
    text: asNumber(relativeText),
  },
  step: { title: "Last step", width: 98, numeric: true, value: ({ lastStep }) => lastStep, text: asNumber(stepText) },
  labels: { title: "Labels", width: 140, numeric: false, value: ({ labels }) => labels.join(", ") || undefined, text: String },
  note: { title: "Note", width: 200, numeric: false, value: ({ note }) => note, text: String },
};

export const FIXED_IDS: readonly string[] = Object.keys(FIXED);

/** The tag whose figures a column shows. */
export function tagOf(id: string): string | null {
  const [, measure, tag] = /^(last|min|max|first):(.+)$/s.exec(id) ?? [];
  return measure ? tag : null;
}

/** A hyperparameter as it was given: only what no double holds exactly is shortened. */
function hparamText(value: Hparam): string {
  return typeof value === "number" ? String(Number(value.toPrecision(9))) : String(value);
}

/** Null for what is no column's name. */
export function columnOf(id: string, isNumeric: (hparam: string) => boolean): Column | null {
  if (Object.hasOwn(FIXED, id)) return { id, kind: "", ...FIXED[id] };
  if (id.startsWith("hp:") && id.length > 3) {
    const name = id.slice(3);
    const value = ({ hparams }: Subject): Hparam | undefined => (Object.hasOwn(hparams, name) ? hparams[name] : undefined);
    return { id, title: name, kind: "", width: widthFor(name, 84), numeric: isNumeric(name), value, text: hparamText };
  }
  const tag = tagOf(id);
  if (tag === null) return null;
  const measure = id.slice(0, id.indexOf(":")) as (typeof MEASURES)[number];
  return {
    id,
    title: tag,
    kind: measure,
    width: widthFor(`${measure} ${tag}`, 96),
    numeric: true,
    value: (subject) => subject.figures(tag)?.[measure],
    text: asNumber(valueText),
  };
}

const LETTER_PX = 7;

function widthFor(title: string, least: number): number {
  return Math.min(200, Math.max(least, title.length * LETTER_PX + 36));
}

/** What tells most of these runs, for who has chosen no columns: hyperparameters that differ, and the first tags. */
export function usualColumns(hparams: ReadonlyMap<string, { values: number }>, tags: readonly string[]): string[] {
  const differing = [...hparams].filter(([, { values }]) => values > 1).map(([name]) => `hp:${name}`);
  const losses = [...tags].sort((a, b) => Number(/loss/i.test(b)) - Number(/loss/i.test(a)));
  return ["status", "duration", "step", ...differing.slice(0, 6), ...losses.slice(0, 2).map((tag) => `last:${tag}`)];
}

/**
 * The runs in the order of a column: numbers by value, texts naturally and after numbers, what is missing last either
 * way; equal ones stay in the order that they came in.
 */
export function sorted(runs: readonly string[], valueOf: (run: string) => Hparam | undefined, downwards: boolean): string[] {
  const values = runs.map(valueOf);
  const texts = new Map(sortNaturally(new Set(values.filter((value) => typeof value === "string"))).map((text, i) => [text, i]));
  const missing = (value: Hparam | undefined): boolean => value === undefined || Number.isNaN(value);
  const order = runs.map((_, i) => i);
  order.sort((i, j) => {
    const [a, b] = [values[i], values[j]];
    if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b)) || i - j;
    const [x, y] = [typeof a === "string", typeof b === "string"];
    const by = x !== y ? Number(x) - Number(y) : x ? (texts.get(a as string) ?? 0) - (texts.get(b as string) ?? 0) : compare(Number(a), Number(b));
    return (downwards ? -by : by) || i - j;
  });
  return order.map((i) => runs[i]);
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** A title as it stands in files: "last val/loss", "lr". */
export function heading({ kind, title }: Column): string {
  return kind ? `${kind} ${title}` : title;
}

/** The whole table, values unrounded; times in ISO. */
export function toCsv(runs: readonly Subject[], columns: readonly Column[]): string {
  const cell = (column: Column, subject: Subject): string => {
    const value = column.value(subject);
    if (value === undefined) return "";
    if (column.id === "started") return new Date(Number(value) * 1_000).toISOString();
    return typeof value === "string" ? csvField(value) : String(value);
  };
  const lines = runs.map((subject) => [csvField(subject.run), ...columns.map((column) => cell(column, subject))].join(","));
  return `${[["run", ...columns.map(heading).map(csvField)].join(","), ...lines].join("\n")}\n`;
}

/** The whole table as it reads on the page. */
export function toMarkdown(runs: readonly Subject[], columns: readonly Column[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replace(/[\\|]/g, "\\$&").replace(/[\r\n]+/g, " ")).join(" | ")} |`;
  const rule = `| --- |${columns.map(({ numeric }) => (numeric ? " ---: |" : " --- |")).join("")}`;
  const lines = runs.map((subject) => {
    const texts = columns.map((column) => {
      const value = column.value(subject);
      return value === undefined ? "" : column.text(value);
    });
    return row([subject.run, ...texts]);
  });
  return `${[row(["run", ...columns.map(heading)]), rule, ...lines].join("\n")}\n`;
}
