/** A linear map from data to pixels. */
export interface Scale {
  readonly d0: number;
  readonly d1: number;
  readonly r0: number;
  readonly r1: number;
  /** Pixels per unit of data. */
  readonly k: number;
}

export function linear(d0: number, d1: number, r0: number, r1: number): Scale {
  return { d0, d1, r0, r1, k: (r1 - r0) / (d1 - d0) };
}

export function toPixel(scale: Scale, value: number): number {
  return scale.r0 + (value - scale.d0) * scale.k;
}

export function toData(scale: Scale, pixel: number): number {
  return scale.d0 + (pixel - scale.r0) / scale.k;
}

/** The first index from which on a rising array is not below `target`. */
export function lowerBound(rising: Float64Array, n: number, target: number): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rising[middle] < target) low = middle + 1;
    else high = middle;
  }
  return low;
}
