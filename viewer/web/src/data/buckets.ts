import type { Smoothing } from "../chart/smooth";

/** On what axis buckets are cut; relative are seconds since a series' first point. */
export type BucketAxis = "step" | "relative" | "wall";

/** How long series are fetched, the same for the whole page. */
export interface Recipe {
  /** Buckets for a whole series: as many as a chart has pixel columns, or more. */
  count: number;
  axis: BucketAxis;
  /** Whether buckets are of equal width by the axis' logarithm. */
  log: boolean;
  smooth: Smoothing | null;
}

/** Part of an axis; "first" are steps since a series' first one. */
export interface Span {
  axis: BucketAxis | "first";
  lo: number;
  hi: number;
}

/** Points for each bucket, up to which the server sends all of them instead. */
export const ROOM = 4;

/** What identifies the shape of what was fetched with a recipe; smoothing apart. */
export function shapeOf({ count, axis, log }: Recipe): string {
  return `${count} ${axis} ${log}`;
}

export function smoothOf({ smooth }: Recipe): string {
  return smooth ? `${smooth.kind} ${smooth.weight} ${smooth.kind === "time" ? smooth.x : ""}` : "";
}

function bend(value: number, log: boolean): number {
  return log ? Math.sign(value) * Math.log1p(Math.abs(value)) : value;
}

function unbend(bent: number, log: boolean): number {
  return log ? Math.sign(bent) * Math.expm1(Math.abs(bent)) : bent;
}

interface Part {
  lo: number;
  hi: number;
}

/** Whether `count` buckets over `piece` show `view` with fewer than `wanted`. */
export function coarser(piece: Part, count: number, view: Part, wanted: number, log: boolean): boolean {
  const whole = bend(piece.hi, log) - bend(piece.lo, log);
  const part = bend(view.hi, log) - bend(view.lo, log);
  return part > 0 && (count * part) / whole < wanted * 0.9;
}

/** Twice as wide as it looks, so that moving a little needs nothing new. */
export function widened({ lo, hi }: Part, log: boolean): Part {
  const [from, to] = [bend(lo, log), bend(hi, log)];
  const room = (to - from) / 2;
  return { lo: unbend(from - room, log), hi: unbend(to + room, log) };
}

/** The buckets that a part of a frame stands for: of each, where its points begin, and how many it had. */
export interface BucketColumns {
  /** How many of the points held are these; later ones came one by one. */
  rows: number;
  start: Uint32Array;
  points: Uint32Array;
  mean: Float32Array | Float64Array;
  /** Points that are not finite; missing where no bucket has one. */
  odd?: Uint32Array;
}
