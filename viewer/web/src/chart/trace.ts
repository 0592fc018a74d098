import type { BucketColumns } from "../data/buckets";
import type { Stretch } from "./stretches";

/** One line to draw. Of each array only the first `n` numbers count. */
export interface Trace {
  name: string;
  /** What people call it, where that is something else. */
  label?: string;
  colour: string;
  n: number;
  /** Where a point stands, once `origin` is taken off; NaN where it has no place. */
  x: Float64Array;
  origin: number;
  /** Whether x never goes back. */
  rising: boolean;
  step: Float64Array;
  wall: Float64Array;
  /** The moment from which its relative times count; its first one's where left out. */
  start?: number;
  raw: Float64Array;
  /** What is drawn as the line: the smoothed values, or `raw` itself. */
  line: Float64Array;
  /** The run, where the name says more than that. */
  run?: string;
  /** Lengths of strokes and gaps in pixels; a whole line where left out. */
  dash?: readonly number[];
  /** The edges of a band around the line; NaN where there is none. */
  low?: Float64Array;
  high?: Float64Array;
  /** Of several runs drawn as one line: which, and how many of them count at each point. */
  runs?: readonly string[];
  count?: Float64Array;
  /** Of a long series `n` points are held, the ones its pixels show; so many it has. Left out where all are held. */
  points?: number;
  /** What the points of a long series were chosen from: see bucketAt in buckets.ts. Left out where they are all. */
  buckets?: BucketColumns;
  /** Where these points are a part of a long series, fetched for a zoom: the trace of all of it. */
  whole?: Trace;
  /** The parts of a series whose steps go back; left out where they never do. */
  stretches?: readonly Stretch[];
}

/** What a line is called where people read it; its name is what tells it from others. */
export function calledOf({ label, name }: { label?: string | undefined; name: string }): string {
  return label ?? name;
}

export interface Range {
  lo: number;
  hi: number;
}

/** Whether traces look as they did: of the same arrays, as far filled. Those of several runs are worked out in place. */
export function likeBefore(now: readonly Trace[], before: readonly Trace[]): boolean {
  const same = (one: object, other: object): boolean =>
    Object.keys(one).length === Object.keys(other).length && Object.entries(one).every(([key, value]) => value === other[key as never]);
  return now.length === before.length && now.every((trace, i) => !trace.runs && same(trace, before[i]));
}
