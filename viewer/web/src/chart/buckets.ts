import type { Trace } from "./trace";

/** What a chosen point stands for: the points that share its pixels. */
export interface Bucket {
  points: number;
  /** Those of them that are not finite. */
  odd: number;
  mean: number;
  /** Places in the trace's arrays; the extremes are -1 where nothing is finite. */
  first: number;
  last: number;
  least: number;
  greatest: number;
}

/** The bucket that a point of a trace was chosen from; null where the point stands for itself. */
export function bucketAt({ buckets, raw }: Trace, index: number): Bucket | null {
  if (!buckets) return null;
  const { start, points, mean, odd } = buckets;
  let low = 0;
  let high = start.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (start[middle] <= index) low = middle + 1;
    else high = middle;
  }
  const at = low - 1;
  const end = at + 1 < start.length ? start[at + 1] : buckets.rows;
  // What came after the buckets were made is there point by point.
  if (at < 0 || points[at] <= 1 || index >= end) return null;
  let least = -1;
  let greatest = -1;
  for (let i = start[at]; i < end; i++) {
    if (!Number.isFinite(raw[i])) continue;
    if (least < 0 || raw[i] < raw[least]) least = i;
    if (greatest < 0 || raw[i] > raw[greatest]) greatest = i;
  }
  return { points: points[at], odd: odd?.[at] ?? 0, mean: mean[at], first: start[at], last: end - 1, least, greatest };
}
