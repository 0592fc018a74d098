import { toData, type Scale } from "./scale";
import type { Range } from "./trace";

/** Where a scale's ends come to lie when its picture moves by so many pixels to the right, or down. */
export function panned(scale: Scale, pixels: number): Range {
  return ordered(toData(scale, scale.r0 - pixels), toData(scale, scale.r1 - pixels));
}

/** The part of a scale that a zoom shows: `factor` times as much, with what is at `pixel` staying there. */
export function zoomedAt(scale: Scale, pixel: number, factor: number): Range {
  const end = (at: number): number => toData(scale, pixel + (at - pixel) * factor);
  return ordered(end(scale.r0), end(scale.r1));
}

/** What two fingers ask for that went from `a` to `b`: what was under them stays under them. */
export function pinched(scale: Scale, a: readonly [number, number], b: readonly [number, number]): Range {
  // Fingers that meet would ask for an infinite zoom.
  const apart = Math.max(8, Math.abs(b[1] - b[0]));
  const factor = Math.abs(a[1] - a[0]) / apart;
  const from = (a[0] + a[1]) / 2;
  const to = (b[0] + b[1]) / 2;
  const end = (at: number): number => toData(scale, from + (at - to) * factor);
  return ordered(end(scale.r0), end(scale.r1));
}

function ordered(p: number, q: number): Range {
  return p <= q ? { lo: p, hi: q } : { lo: q, hi: p };
}

/** Half a view beyond the data is as far as one may go; null when all of them are seen, which is no zoom. */
export function kept(range: Range, home: Range): Range | null {
  const span = range.hi - range.lo;
  if (!Number.isFinite(span) || !(span > Math.max(Math.abs(range.lo), Math.abs(range.hi)) * 1e-12)) return home;
  if (range.lo <= home.lo && range.hi >= home.hi) return null;
  const low = home.lo - span / 2;
  const high = home.hi + span / 2;
  if (range.lo < low) return { lo: low, hi: low + span };
  return range.hi > high ? { lo: high - span, hi: high } : range;
}

/** The zoom of a turn of the wheel; devices that turn in lines or pages are brought to pixels. */
export function wheelFactor({ deltaY, deltaMode }: Pick<WheelEvent, "deltaY" | "deltaMode">): number {
  const pixels = deltaY * (deltaMode === 1 ? 16 : deltaMode === 2 ? 400 : 1);
  return Math.exp(Math.max(-200, Math.min(200, pixels)) * 0.002);
}
