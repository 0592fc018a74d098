/** The points of a series, as far as a join needs them. */
export interface Points {
  n: number;
  step: Float64Array;
  value: Float64Array;
  /** Whether its steps never go back. */
  stepRises: boolean;
}

/** The same points by step, of equal steps in the order of writing. */
function byStep(points: Points): { step: Float64Array; value: Float64Array } {
  const { n, step, value, stepRises } = points;
  if (stepRises) return { step: step.subarray(0, n), value: value.subarray(0, n) };
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => step[a] - step[b] || a - b);
  return { step: Float64Array.from(order, (i) => step[i]), value: Float64Array.from(order, (i) => value[i]) };
}

/**
 * For each of the first `n` steps the last value that another series has at or before it; of
 * several values at one step, the one written last. NaN where there is none yet, and for what
 * is not finite: neither has a place on an axis.
 */
export function joined(step: Float64Array, n: number, other: Points): Float64Array {
  const x = new Float64Array(n);
  const { step: steps, value: values } = byStep(other);
  // How many of the other's points are at or before the step at hand.
  let passed = 0;
  for (let i = 0; i < n; i++) {
    if (i > 0 && step[i] < step[i - 1]) passed = upperBound(steps, step[i]);
    else while (passed < steps.length && steps[passed] <= step[i]) passed++;
    const value = passed > 0 ? values[passed - 1] : NaN;
    x[i] = Number.isFinite(value) ? value : NaN;
  }
  return x;
}

function upperBound(rising: Float64Array, target: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rising[middle] <= target) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether x has a place for every point and never goes back. */
export function rises(x: Float64Array): boolean {
  for (let i = 0; i < x.length; i++) {
    if (!(x[i] >= (i > 0 ? x[i - 1] : -Infinity))) return false;
  }
  return true;
}
