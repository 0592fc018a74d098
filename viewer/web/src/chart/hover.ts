import { lowerBound, toData, toPixel, type Scale } from "./scale";
import type { Trace } from "./trace";

/** The point of one trace that is nearest to the pointer, with its place in pixels. */
export interface Hit {
  trace: Trace;
  index: number;
  px: number;
  py: number;
}

function nearestIndex(trace: Trace, x: number): number {
  const target = x + trace.origin;
  if (trace.rising) {
    const right = lowerBound(trace.x, trace.n, target);
    if (right === 0) return 0;
    if (right === trace.n) return trace.n - 1;
    return target - trace.x[right - 1] <= trace.x[right] - target ? right - 1 : right;
  }
  let best = 0;
  for (let i = 1; i < trace.n; i++) {
    if (Math.abs(trace.x[i] - target) < Math.abs(trace.x[best] - target)) best = i;
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
    const at = toPixel(sx, trace.x[index] - trace.origin);
    if (at < sx.r0 - 1 || at > sx.r1 + 1) continue;
    const height = toPixel(sy, trace.line[index]);
    const distance = Number.isFinite(height) ? Math.hypot(at - px, height - py) : Infinity;
    hits.push({ trace, index, px: at, py: height, distance });
  }
  return hits.sort((a, b) => (a.distance === b.distance ? 0 : a.distance - b.distance));
}
