/** Axes of one's own: a dimension, a column of the metadata, or the way from one group of points to another. */
import type { Column } from "./fetch";

export type Axis =
  | { kind: "none" }
  | { kind: "dimension"; at: number }
  | { kind: "column"; name: string }
  /** Searches whose hits' centres the axis goes through. */
  | { kind: "way"; from: string; to: string };

export function heardAxis(text: string): Axis {
  if (/^d\d{1,6}$/.test(text)) return { kind: "dimension", at: Number(text.slice(1)) };
  if (text.startsWith("c:")) return { kind: "column", name: text.slice(2) };
  if (text.startsWith("q:")) {
    const [from, to = ""] = text.slice(2).split("\n");
    return { kind: "way", from, to };
  }
  return { kind: "none" };
}

export function saidAxis(axis: Axis): string {
  if (axis.kind === "dimension") return `d${axis.at}`;
  if (axis.kind === "column") return `c:${axis.name}`;
  return axis.kind === "way" ? `q:${axis.from}\n${axis.to}` : "";
}

/** Vectors of the rows, one after the other. */
export interface Vectors {
  values: Float32Array;
  columns: number;
}

/** Where the points of these rows are on average; null where there are none. Rows that are no numbers do not count. */
export function centre({ values, columns }: Vectors, rows: Iterable<number>): Float64Array | null {
  const sum = new Float64Array(columns);
  let count = 0;
  for (const row of rows) {
    let whole = true;
    for (let k = 0; whole && k < columns; k++) whole = Number.isFinite(values[row * columns + k]);
    if (!whole) continue;
    for (let k = 0; k < columns; k++) sum[k] += values[row * columns + k];
    count++;
  }
  return count > 0 ? sum.map((one) => one / count) : null;
}

/** How far each row lies along the way from one centre to the other: 0 at the first and 1 at the second. */
export function along({ values, columns }: Vectors, from: Float64Array, to: Float64Array): Float64Array {
  const way = to.map((one, k) => one - from[k]);
  const length = way.reduce((sum, one) => sum + one * one, 0);
  return Float64Array.from({ length: values.length / columns }, (_, row) => {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += (values[row * columns + k] - from[k]) * way[k];
    return length > 0 ? sum / length : 0;
  });
}

/**
 * Numbers of a column for an axis, and where that is none, the place of each value among the sorted ones; NaN where a
 * number is missing.
 */
export function ranked(column: Column): Float64Array {
  if (column.numbers) return column.numbers;
  const order = new Map([...new Set(column.values)].sort().map((value, i) => [value, i]));
  return Float64Array.from(column.values, (value) => order.get(value) ?? NaN);
}

/** Three columns of numbers as coordinates, each to the same length from end to end: they measure different things. */
export function together(columns: readonly (Float64Array | null)[], rows: number): Float32Array {
  const all = new Float32Array(rows * 3);
  columns.forEach((column, k) => {
    if (!column) return;
    let [lo, hi] = [Infinity, -Infinity];
    for (const value of column) {
      if (value < lo) lo = value;
      if (value > hi && value < Infinity) hi = value;
    }
    const span = hi > lo ? (hi - lo) / 2 : 1;
    for (let row = 0; row < rows; row++) all[3 * row + k] = Number.isFinite(column[row]) ? (column[row] - (lo + hi) / 2) / span : NaN;
  });
  return all;
}

/** Shifts rows so that their mean is the origin, and puts each on a ball of radius 1. */
export function spherical({ values, columns }: Vectors): Vectors {
  const rows = values.length / columns;
  const mean = centre({ values, columns }, Array.from({ length: rows }, (_, row) => row)) ?? new Float64Array(columns);
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += (values[row * columns + k] - mean[k]) ** 2;
    const length = Math.sqrt(sum) || 1;
    for (let k = 0; k < columns; k++) out[row * columns + k] = (values[row * columns + k] - mean[k]) / length;
  }
  return { values: out, columns };
}
