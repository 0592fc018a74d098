import { lowerBound, toData, toPixel, type Scale } from "./scale";
import type { Trace } from "./trace";

/** The point of one trace that is nearest to the pointer, with its place in pixels. */
export interface Hit {
  trace: Trace;
  index: number;
  px: number;
  py: number;
}

/** The point nearest in x, or -1 where none has a place. */
export function nearestIndex(trace: Trace, x: number): number {
  const target = x + trace.origin;
  if (trace.rising) {
    const right = lowerBound(trace.x, trace.n, target);
    if (right === 0) return 0;
    if (right === trace.n) return trace.n - 1;
    return target - trace.x[right - 1] <= trace.x[right] - target ? right - 1 : right;
  }
  // Of two equally near the later one: it is the one that a restart left standing.
  let best = -1;
  let least = Infinity;
  for (let i = 0; i < trace.n; i++) {
    const away = Math.abs(trace.x[i] - target);
    if (away > least || Number.isNaN(away)) continue;
    least = away;
    best = i;
  }
  return best;
}

/**
 * For every trace its point nearest in x, the trace nearest to the pointer first; points that
 * the view does not show are left out, and ones without a place (NaN) come last.
 */
export function hitsAt(traces: readonly Trace[], sx: Scale, sy: Scale, px: number, py: number): Hit[] {
  const x = toData(sx, px);
  const hits: (Hit & { distance: number })[] = [];
  for (const trace of traces) {
    if (trace.n === 0) continue;
    const index = nearestIndex(trace, x);
    if (index < 0) continue;
    const at = toPixel(sx, trace.x[index] - trace.origin);
    if (at < sx.r0 - 1 || at > sx.r1 + 1) continue;
    const height = toPixel(sy, trace.line[index]);
    const distance = Number.isFinite(height) ? Math.hypot(at - px, height - py) : Infinity;
    hits.push({ trace, index, px: at, py: height, distance });
  }
  return hits.sort((a, b) => (a.distance === b.distance ? 0 : a.distance - b.distance));
}

/** The same for a place of x, in view or not, in the order of the traces. */
export function hitsAtX(traces: readonly Trace[], sx: Scale, sy: Scale, x: number): Hit[] {
  const hits: Hit[] = [];
  for (const trace of traces) {
    const index = trace.n > 0 ? nearestIndex(trace, x) : -1;
    if (index < 0) continue;
    hits.push({ trace, index, px: toPixel(sx, trace.x[index] - trace.origin), py: toPixel(sy, trace.line[index]) });
  }
  return hits;
}
