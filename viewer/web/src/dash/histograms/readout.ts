/** What is said of histograms in words: under the pointer, of a marked step, and of what is wrong. */
import { momentText, relativeText, stepText, valueText } from "../../chart/format";
import { countIn, MEDIAN, SHARES, strayOf, strayShare, type Found, type Rows } from "./frame";
import type { Spot } from "./scene";

export type Line = [label: string, value: string];

/** How many values: whole numbers whole, parts of re-binned ones in few digits. */
export function countText(count: number): string {
  if (!Number.isFinite(count)) return valueText(count);
  return Math.abs(count - Math.round(count)) < 1e-3 * Math.max(1, count) ? Math.round(count).toLocaleString("en") : valueText(count);
}

export function percentText(share: number): string {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** What of a row was not counted: "2 NaN, 1 +Inf (12 %)"; empty where nothing was left out. */
export function strayText(rows: Rows, row: number): string {
  if (strayOf(rows, row) <= 0) return "";
  const kinds: [number, string][] = [
    [rows.nan[row], "NaN"],
    [rows.positive[row], "+Inf"],
    [rows.negative[row], "−Inf"],
    [rows.odd[row], "NaN or Inf"],
  ];
  const said = kinds.filter(([count]) => count > 0).map(([count, name]) => `${countText(count)} ${name}`);
  return `${said.join(", ")} (${percentText(strayShare(rows, row))})`;
}

/** The values of a bucket. */
export function bucketText({ low, high, bins }: Found, bin: number): string {
  const edge = (i: number): number => low + ((high - low) * i) / bins;
  return `${valueText(edge(bin))} … ${valueText(edge(bin + 1))}`;
}

export function describe(found: Found, { series, row, bin }: Spot): Line[] {
  const rows = found.series[series];
  const lines: Line[] = [];
  if (bin >= 0) {
    const count = countIn(found, rows, row, bin);
    lines.push(["Values", bucketText(found, bin)]);
    lines.push(["Count", `${countText(count)}${rows.num[row] > 0 ? ` (${percentText(count / rows.num[row])})` : ""}`]);
  }
  lines.push(["Of", countText(rows.num[row])]);
  if (rows.num[row] > 0) {
    lines.push(["Least", valueText(rows.least[row])]);
    lines.push(["Median", valueText(rows.shares[row * SHARES.length + MEDIAN])]);
    lines.push(["Greatest", valueText(rows.most[row])]);
  }
  const stray = strayText(rows, row);
  if (stray) lines.push(["Left out", stray]);
  return lines;
}

/** A row in a line: "2,000 values, -1.2 … 3.4, median 0.5, left out 2 NaN (1.0 %)". */
export function inShort(rows: Rows, row: number): string {
  const parts = [`${countText(rows.num[row])} ${rows.num[row] === 1 ? "value" : "values"}`];
  if (rows.num[row] > 0) {
    parts.push(`${valueText(rows.least[row])} … ${valueText(rows.most[row])}`, `median ${valueText(rows.shares[row * SHARES.length + MEDIAN])}`);
  }
  const stray = strayText(rows, row);
  if (stray) parts.push(`left out ${stray}`);
  return parts.join(", ");
}

/** A row's time: seconds since the run's first, and the moment. */
export function timeText(rows: Rows, row: number): string {
  const wall = rows.wall[row];
  if (!Number.isFinite(wall)) return "";
  return rows.origin === null ? momentText(wall) : `${momentText(wall)} · +${relativeText(wall - rows.origin)}`;
}

export interface Fault {
  run: string;
  /** Grave ones could not be shown. */
  grave: boolean;
  text: string;
}

/** What is wrong: histograms that could not be read, and how much of others was NaN or infinite. */
export function faultsOf({ series }: Found): Fault[] {
  const faults: Fault[] = [];
  for (const rows of series) {
    for (const { step, what } of rows.problems) faults.push({ run: rows.run, grave: true, text: `step ${stepText(step)}: ${what}` });
    let worst = -1;
    let count = 0;
    for (let row = 0; row < rows.n; row++) {
      if (strayShare(rows, row) <= 0) continue;
      count++;
      if (worst < 0 || strayShare(rows, row) >= strayShare(rows, worst)) worst = row;
    }
    if (worst < 0) continue;
    const others = count > 1 ? `; ${count - 1} other ${count === 2 ? "step" : "steps"} too` : "";
    faults.push({ run: rows.run, grave: false, text: `step ${stepText(rows.step[worst])}: ${strayText(rows, worst)} of the values${others}` });
  }
  return faults;
}

/** The whole picture in a sentence, for those who cannot see it. */
export function summaryOf(tag: string, { series }: Found): string {
  const parts = series.map((rows) => {
    const last = rows.n - 1;
    if (last < 0) return `${rows.run}: nothing to show`;
    const values = rows.num[last] > 0 ? `${valueText(rows.least[last])} to ${valueText(rows.most[last])}, median ${valueText(rows.shares[last * SHARES.length + MEDIAN])}` : "no values";
    return `${rows.run}: ${stepText(rows.total)} histograms, at step ${stepText(rows.step[last])} ${values}`;
  });
  return `${tag}. ${parts.join("; ")}`;
}
