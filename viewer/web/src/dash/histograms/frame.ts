/** The TLH1 frame: histograms of several series, counted in the same buckets. */
import type { Axis } from "./settings";

/** Shares of a distribution that the server tells the values of; the middle one is the median. */
export const SHARES = [0, 0.0668, 0.1587, 0.3085, 0.5, 0.6915, 0.8413, 0.9332, 1] as const;
export const MEDIAN = 4;

const COLUMNS = ["at", "step", "wall", "x", "num", "least", "most", "nan", "positive", "negative", "odd"] as const;
type Column = (typeof COLUMNS)[number];

export interface Problem {
  /** Index in the series. */
  at: number;
  step: number;
  what: string;
}

/** Some histograms of one series; arrays have `n` rows, and are views of the frame's own bytes. */
export interface Rows extends Readonly<Record<Column, Float64Array>> {
  run: string;
  tag: string;
  generation: number;
  /** Histograms that the series has. */
  total: number;
  n: number;
  /** Where the series begins and ends on the axis. */
  first: number | null;
  last: number | null;
  /** Wall time that relative times count from. */
  origin: number | null;
  problems: Problem[];
  /** Below the range, in each bucket, above it: bins + 2 numbers a row. */
  counts: Float32Array | Float64Array;
  /** Values below which each of SHARES lies. */
  shares: Float64Array;
}

export interface Found {
  x: Axis;
  /** Values that the buckets lie between. */
  low: number;
  high: number;
  bins: number;
  series: Rows[];
}

interface Place {
  at: number;
  type: string;
}

type Entry = Omit<Rows, Column | "counts" | "shares"> & { columns: Record<Column | "counts" | "shares", Place> };
type Header = Omit<Found, "series"> & { v: number; order: string; series: Entry[] };

export class BadFrame extends Error {}

const MAGIC = 0x31484c54; // "TLH1", little-endian

export function decodeHistograms(frame: ArrayBuffer): Found {
  const view = new DataView(frame);
  if (frame.byteLength < 8 || view.getUint32(0, true) !== MAGIC) throw new BadFrame("the answer is not a TLH1 frame");
  const body = 8 + view.getUint32(4, true);
  if (body > frame.byteLength || body % 8 !== 0) throw new BadFrame(`a header that ends at byte ${body} does not fit`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 8, body - 8))) as Header;
  if (header.v !== 1 || header.order !== "little") throw new BadFrame(`version ${header.v} is not known`);

  function floats({ at, type }: Place, n: number): Float32Array | Float64Array {
    const Kind = type === "f4" ? Float32Array : Float64Array;
    if (at < 0 || at % 8 !== 0 || body + at + n * Kind.BYTES_PER_ELEMENT > frame.byteLength) throw new BadFrame(`a column of ${n} at ${at} does not fit`);
    return new Kind(frame, body + at, n);
  }

  const series = header.series.map(({ columns, ...entry }): Rows => {
    const numbers = Object.fromEntries(COLUMNS.map((name) => [name, floats(columns[name], entry.n)])) as Record<Column, Float64Array>;
    const counts = floats(columns.counts, entry.n * (header.bins + 2));
    return { ...entry, ...numbers, counts, shares: floats(columns.shares, entry.n * SHARES.length) as Float64Array };
  });
  return { x: header.x, low: header.low, high: header.high, bins: header.bins, series };
}

/** How many values of a row lie in a bucket. */
export function countIn({ bins }: Found, rows: Rows, row: number, bin: number): number {
  return rows.counts[row * (bins + 2) + bin + 1];
}

/** How many values of a row are NaN, infinite, or otherwise in no bucket. */
export function strayOf(rows: Rows, row: number): number {
  return rows.nan[row] + rows.positive[row] + rows.negative[row] + rows.odd[row];
}

/** Which of all values of a row those are, from 0 to 1. */
export function strayShare(rows: Rows, row: number): number {
  const stray = strayOf(rows, row);
  return stray > 0 ? stray / (stray + rows.num[row]) : 0;
}

/** The row whose step is the last not beyond one; -1 where all are. */
export function rowAt(rows: Rows, step: number): number {
  let found = -1;
  for (let i = 0; i < rows.n; i++) if (rows.step[i] <= step && (found < 0 || rows.step[i] >= rows.step[found])) found = i;
  return found;
}
