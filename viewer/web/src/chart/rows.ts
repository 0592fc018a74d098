import type { Hit } from "./hover";
import type { SORTS } from "./sorts";
import { csvNumber } from "./table";
import { calledOf } from "./trace";

export type Sort = (typeof SORTS)[number];

/** Hits, which come nearest first, in the order a person wants; what is no number comes last. */
export function sorted(hits: readonly Hit[], sort: Sort): Hit[] {
  const list = [...hits];
  if (sort === "nearest") return list;
  if (sort === "name") return list.sort((a, b) => calledOf(a.trace).localeCompare(calledOf(b.trace), undefined, { numeric: true }));
  const value = ({ trace, index }: Hit): number => trace.line[index];
  const sign = sort === "ascending" ? 1 : -1;
  return list.sort((a, b) => {
    const [p, q] = [value(a), value(b)];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number(Number.isNaN(p)) - Number(Number.isNaN(q));
    return p === q ? 0 : sign * (p < q ? -1 : 1);
  });
}

/** Text that stays in one cell when it is pasted. */
function cell(text: string): string {
  // A spreadsheet would take it for a formula.
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return safe.replace(/[\t\r\n]+/g, " ");
}

/** Hits as a table for pasting, with all digits: run, smoothed value if there is one, value, x of another tag, step, seconds, time. */
export function toText(hits: readonly Hit[], smoothed: boolean, xname: string): string {
  const head = ["run", ...(smoothed ? ["smoothed"] : []), "value", ...(xname ? [cell(xname)] : []), "step", "relative_s", "time"];
  const lines = hits.map(({ trace: { name, line, raw, x, origin, step, wall, start = wall[0] }, index: i }) => [
    cell(name),
    ...(smoothed ? [csvNumber(line[i])] : []),
    csvNumber(raw[i]),
    ...(xname ? [csvNumber(x[i] - origin)] : []),
    String(step[i]),
    csvNumber(wall[i] - start),
    new Date(wall[i] * 1000).toISOString(),
  ]);
  return [head, ...lines].map((line) => `${line.join("\t")}\n`).join("");
}

/** Puts a text on the clipboard, also where the page has no right to do so by itself. */
export async function toClipboard(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
