import type { Hit } from "./hover";
import type { Trace } from "./trace";

/** A point that the arrow keys have come to. */
export interface Stand {
  name: string;
  index: number;
}

function placed(trace: Trace, index: number): boolean {
  return index >= 0 && index < trace.n && !Number.isNaN(trace.x[index]);
}

/** The next point of the same run in that direction, or the same one at its end. */
export function onward(trace: Trace, index: number, by: number): number {
  for (let next = index + by; next >= 0 && next < trace.n; next += Math.sign(by)) {
    if (placed(trace, next)) return next;
  }
  return index;
}

/** Its first point with a place, or its last. */
export function endOf(trace: Trace, last: boolean): number {
  const from = last ? trace.n - 1 : 0;
  return placed(trace, from) ? from : onward(trace, from, last ? -1 : 1);
}

/** The next run above or below where one stands, of those at the same x; null where there is none. */
export function nextRun(hits: readonly Hit[], name: string, up: boolean): Hit | null {
  // Pixels count downwards; what has no place comes after all others, below.
  const height = ({ py }: Hit): number => (Number.isFinite(py) ? py : Infinity);
  const byHeight = [...hits].sort((a, b) => (height(a) === height(b) ? 0 : height(a) - height(b)));
  const at = byHeight.findIndex(({ trace }) => trace.name === name);
  return byHeight[at + (up ? -1 : 1)] ?? null;
}

/** The hits with a run's own first. */
export function leading(hits: readonly Hit[], name: string): Hit[] {
  const first = hits.find(({ trace }) => trace.name === name);
  return first ? [first, ...hits.filter((hit) => hit !== first)] : [...hits];
}
