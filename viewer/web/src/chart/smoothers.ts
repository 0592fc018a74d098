import type { SmootherKind } from "./smooth";

/** Smooths what is finite and lets the rest pass. */
export function smoothAll(out: Float64Array, values: Float64Array, n: number, kind: SmootherKind, weight: number, x: Float64Array): void {
  const places: number[] = [];
  for (let i = 0; i < n; i++) {
    if (Number.isFinite(values[i])) places.push(i);
    else out[i] = values[i];
  }
  const finite = Float64Array.from(places, (i) => values[i]);
  const smooth =
    kind === "time"
      ? byDistance(
          finite,
          Float64Array.from(places, (i) => x[i]),
          weight,
        )
      : kind === "median"
        ? medians(finite, halfOf(weight))
        : weighted(finite, kind === "mean" ? new Float64Array(2 * halfOf(weight) + 1).fill(1) : bellOf(weight));
  places.forEach((i, at) => (out[i] = smooth[at]));
}

function halfOf(weight: number): number {
  return Math.floor(weight / (1 - weight) + 0.5);
}

function bellOf(weight: number): Float64Array {
  const deviation = weight / (1 - weight) / 2;
  const reach = Math.ceil(3 * deviation);
  return Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / deviation) ** 2));
}

const SPAN = 1000;
const MOST_DECAY = 0.999;

/** Weights & Biases' average, whose memory fades with the distance. */
function byDistance(values: Float64Array, x: Float64Array, weight: number): Float64Array {
  let lo = Infinity;
  let hi = -Infinity;
  for (const at of x) {
    if (at < lo) lo = at;
    if (at > hi) hi = at;
  }
  const far = hi - lo;
  const kept = Math.min(Math.sqrt(weight), MOST_DECAY);
  let sum = 0;
  let weights = 0;
  return values.map((value, i) => {
    const gap = i > 0 && far > 0 && far < Infinity ? Math.max(0, x[i] - x[i - 1]) / far : 0;
    const decay = kept ** (gap * SPAN);
    sum = sum * decay + value;
    weights = weights * decay + 1;
    return sum / weights;
  });
}

/** Means weighted by a bell over each point, and near the ends by what of it stands over the series. */
function weighted(values: Float64Array, bell: Float64Array): Float64Array {
  const reach = bell.length >> 1;
  return values.map((_, i) => {
    const to = Math.min(values.length - 1, i + reach);
    let sum = 0;
    let weights = 0;
    for (let j = Math.max(0, i - reach); j <= to; j++) {
      const weight = bell[j - i + reach];
      sum += weight * values[j];
      weights += weight;
    }
    return sum / weights;
  });
}

function placeIn(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Medians over windows: what they hold is kept sorted while they move. */
function medians(values: Float64Array, half: number): Float64Array {
  const sorted: number[] = [];
  const add = (value: number): void => void sorted.splice(placeIn(sorted, value), 0, value);
  for (let i = 0; i < Math.min(half, values.length); i++) add(values[i]);
  return values.map((_, i) => {
    if (i + half < values.length) add(values[i + half]);
    if (i > half) sorted.splice(placeIn(sorted, values[i - half - 1]), 1);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  });
}
