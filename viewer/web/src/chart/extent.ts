import { middle } from "./quantile";
import { lowerBound, symlog, symlogUnit, type ScaleKind } from "./scale";
import type { Range, Trace } from "./trace";

/** The indices of a trace that a view of x needs: those inside and one more on each side. */
export function inside(trace: Trace, x: Range): [from: number, to: number] {
  if (!trace.rising) return [0, trace.n];
  const from = lowerBound(trace.x, trace.n, x.lo + trace.origin);
  let to = from;
  // Equal x at the upper edge still belongs inside.
  to = lowerBound(trace.x, trace.n, x.hi + trace.origin);
  while (to < trace.n && trace.x[to] - trace.origin <= x.hi) to++;
  return [Math.max(0, from - 1), Math.min(trace.n, to + 1)];
}

function padded(lo: number, hi: number, share: number): Range {
  if (!(lo <= hi)) return { lo: 0, hi: 1 };
  if (lo === hi) {
    const room = lo === 0 ? 1 : Math.abs(lo) * 0.1;
    return { lo: lo - room, hi: hi + room };
  }
  const room = (hi - lo) * share;
  return { lo: lo - room, hi: hi + room };
}

/** From the first to the last x of all traces; a single x gets `room` on both sides. */
export function extentX(traces: readonly Trace[], room: number): Range {
  let lo = Infinity;
  let hi = -Infinity;
  for (const trace of traces) {
    if (trace.n === 0) continue;
    if (trace.rising) {
      lo = Math.min(lo, trace.x[0] - trace.origin);
      hi = Math.max(hi, trace.x[trace.n - 1] - trace.origin);
      continue;
    }
    for (let i = 0; i < trace.n; i++) {
      const x = trace.x[i] - trace.origin;
      if (x < lo) lo = x;
      if (x > hi) hi = x;
    }
  }
  if (!(lo <= hi)) return { lo: 0, hi: 1 };
  return lo === hi ? { lo: lo - room, hi: hi + room } : { lo, hi };
}

/** In a logarithm room is a factor, and 0 has no place. */
function paddedLog(lo: number, hi: number, share: number): Range {
  if (!(lo <= hi)) return { lo: 0.1, hi: 1 };
  const room = lo === hi ? 2 : (hi / lo) ** share;
  // Near the ends of what numbers can be, room has to give way.
  return { lo: Math.max(lo / room, Number.MIN_VALUE), hi: Math.min(hi * room, Number.MAX_VALUE) };
}

/** Room as long as it looks: on this scale what is little beyond zero is much to see. */
function paddedSymlog(lo: number, hi: number, share: number): Range {
  if (!(lo < hi)) return padded(lo, hi, share);
  const scale = symlog(lo, hi, 0, 1, symlogUnit(lo, hi));
  const room = share * (scale.bend(hi) - scale.bend(lo));
  return { lo: scale.unbend(scale.bend(lo) - room), hi: scale.unbend(scale.bend(hi) + room) };
}

/** Of the values of all lines, what is left out at either end when outliers are. */
const OUTLIERS = 0.05;
let scratch = new Float64Array(0);

/** The middle nine tenths of the finite values of the lines within `x`. */
function middleY(traces: readonly Trace[], x: Range, positive: boolean): [lo: number, hi: number] {
  const most = traces.reduce((sum, { n }) => sum + n, 0);
  if (scratch.length < most) scratch = new Float64Array(most * 1.5);
  let count = 0;
  for (const trace of traces) {
    const { line, origin } = trace;
    const [from, to] = inside(trace, x);
    for (let i = from; i < to; i++) {
      const value = line[i];
      const at = trace.x[i] - origin;
      if (value - value !== 0 || (positive && value <= 0) || !(at >= x.lo && at <= x.hi)) continue;
      scratch[count++] = value;
    }
  }
  return middle(scratch, count, OUTLIERS);
}

/**
 * The finite values, raw and smoothed, that stand within `x`, with a little room around; for a
 * logarithm the positive ones. With `trim`, outliers do not count.
 */
export function extentY(traces: readonly Trace[], x: Range, kind: ScaleKind = "linear", trim = false): Range {
  const positive = kind === "log";
  let lo = Infinity;
  let hi = -Infinity;
  const scan = (values: Float64Array, xs: Float64Array, origin: number, from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const value = values[i];
      // Comparisons with NaN are false, so only infinities need a test of their own.
      if (!(value < lo || value > hi) || value === Infinity || value === -Infinity) continue;
      if (positive && value <= 0) continue;
      const at = xs[i] - origin;
      if (!(at >= x.lo && at <= x.hi)) continue;
      if (value < lo) lo = value;
      if (value > hi) hi = value;
    }
  };
  if (trim) [lo, hi] = middleY(traces, x, positive);
  else for (const trace of traces) {
    const [from, to] = inside(trace, x);
    scan(trace.raw, trace.x, trace.origin, from, to);
    if (trace.line !== trace.raw) scan(trace.line, trace.x, trace.origin, from, to);
    if (trace.low) scan(trace.low, trace.x, trace.origin, from, to);
    if (trace.high) scan(trace.high, trace.x, trace.origin, from, to);
  }
  return { linear: padded, log: paddedLog, symlog: paddedSymlog }[kind](lo, hi, 0.05);
}
