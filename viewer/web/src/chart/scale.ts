export type ScaleKind = "linear" | "log" | "symlog";

/** A map from data to pixels. */
export interface Scale {
  readonly d0: number;
  readonly d1: number;
  readonly r0: number;
  readonly r1: number;
  readonly kind: ScaleKind;
  /** Bends a value so that what is left is linear; NaN where a logarithm has no place for it. */
  readonly bend: (value: number) => number;
  readonly unbend: (bent: number) => number;
  /** `d0` bent. */
  readonly b0: number;
  /** Pixels per bent unit of data. */
  readonly k: number;
}

const SAME = (value: number): number => value;
const LOG = (value: number): number => (value > 0 ? Math.log10(value) : NaN);
const POWER = (bent: number): number => 10 ** bent;

function made(kind: ScaleKind, ends: [number, number, number, number], bend: (v: number) => number, unbend: (v: number) => number): Scale {
  const [d0, d1, r0, r1] = ends;
  const b0 = bend(d0);
  return { d0, d1, r0, r1, kind, bend, unbend, b0, k: (r1 - r0) / (bend(d1) - b0) };
}

export function linear(d0: number, d1: number, r0: number, r1: number): Scale {
  return made("linear", [d0, d1, r0, r1], SAME, SAME);
}

/** Equal ratios get equal lengths; `d0` and `d1` have to be positive. */
export function log(d0: number, d1: number, r0: number, r1: number): Scale {
  return made("log", [d0, d1, r0, r1], LOG, POWER);
}

/** Logarithmic far from zero on both sides, linear between -`unit` and `unit`, where it is about one. */
export function symlog(d0: number, d1: number, r0: number, r1: number, unit: number): Scale {
  const bend = (value: number): number => Math.sign(value) * Math.log1p(Math.abs(value) / unit);
  const unbend = (bent: number): number => Math.sign(bent) * Math.expm1(Math.abs(bent)) * unit;
  return made("symlog", [d0, d1, r0, r1], bend, unbend);
}

/** The linear part of a symmetric logarithm for a range: three powers of ten below its farther end. */
export function symlogUnit(lo: number, hi: number): number {
  const far = Math.max(Math.abs(lo), Math.abs(hi));
  return far > 0 && Number.isFinite(far) ? 10 ** (Math.floor(Math.log10(far)) - 3) : 1;
}

export function toPixel(scale: Scale, value: number): number {
  return scale.r0 + (scale.bend(value) - scale.b0) * scale.k;
}

export function toData(scale: Scale, pixel: number): number {
  return scale.unbend(scale.b0 + (pixel - scale.r0) / scale.k);
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
