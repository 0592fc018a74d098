/** All steps of several series, each once, in order. */
export function unionOf(series: Iterable<readonly number[]>): number[] {
  const all = new Set<number>();
  for (const steps of series) for (const step of steps) all.add(step);
  return [...all].sort((a, b) => a - b);
}

/**
 * Where, in steps in order, the last one stands that is not later than `wanted`; the first where all are later, -1 where
 * there is none. So one slider serves series that were logged at other steps.
 */
export function placeOf(steps: readonly number[], wanted: number): number {
  let lo = 0;
  let hi = steps.length;
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if (steps[middle] <= wanted) lo = middle + 1;
    else hi = middle;
  }
  return lo > 0 ? lo - 1 : steps.length > 0 ? 0 : -1;
}
