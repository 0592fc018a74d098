import { nearestIndex } from "./hover";
import { csvField, csvNumber } from "./table";
import { calledOf, type Trace } from "./trace";

/** A run's row in the table of a selector. */
export interface Row {
  name: string;
  /** What people call the run, where that is something else. */
  label?: string | undefined;
  colour: string;
  /** The figures by the columns of COLUMNS. */
  figures: readonly number[];
}

export const COLUMNS = {
  step: ["Value", "Step"],
  range: ["Min", "Max", "Start", "End", "Change"],
} as const;

/** Each run's value at the point nearest to a place of x. */
export function atStep(traces: readonly Trace[], place: number): Row[] {
  return traces.flatMap((trace) => {
    const i = trace.n > 0 ? nearestIndex(trace, place) : -1;
    return i < 0 ? [] : [{ name: trace.name, label: trace.label, colour: trace.colour, figures: [trace.raw[i], trace.step[i]] }];
  });
}

/** Least, greatest, first and last finite value of each run from one place of x to another, and what changed from first to last. */
export function overRange(traces: readonly Trace[], lo: number, hi: number): Row[] {
  return traces.flatMap((trace) => {
    const { name, label, colour, n, x, origin, raw } = trace;
    const found = { min: Infinity, max: -Infinity, start: NaN, end: NaN };
    for (let i = 0; i < n; i++) {
      const at = x[i] - origin;
      const value = raw[i];
      if (!(at >= lo && at <= hi) || !Number.isFinite(value)) continue;
      found.min = Math.min(found.min, value);
      found.max = Math.max(found.max, value);
      if (Number.isNaN(found.start)) found.start = value;
      found.end = value;
    }
    const { min, max, start, end } = found;
    return Number.isNaN(start) ? [] : [{ name, label, colour, figures: [min, max, start, end, end - start] }];
  });
}

/** Rows by one column, -1 being the name; NaN stands last either way. */
export function ranked(rows: readonly Row[], column: number, down: boolean): Row[] {
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (column < 0) return sign * calledOf(a).localeCompare(calledOf(b), undefined, { numeric: true });
    const [p, q] = [a.figures[column], b.figures[column]];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number(Number.isNaN(p)) - Number(Number.isNaN(q));
    return p === q ? 0 : sign * (p < q ? -1 : 1);
  });
}

export function rowsToCsv(rows: readonly Row[], columns: readonly string[]): string {
  const lines = rows.map(({ name, figures }) => [csvField(name), ...figures.map(csvNumber)].join(","));
  return `${["run", ...columns.map((column) => column.toLowerCase())].join(",")}\n${lines.map((line) => `${line}\n`).join("")}`;
}
