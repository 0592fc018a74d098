/** Ways to smooth a series; tallyboard/core/smoothing.py has the same, with their formulas. */
export const SMOOTHERS = ["ema", "time", "mean", "gauss", "median"] as const;
export type SmootherKind = (typeof SMOOTHERS)[number];

export interface Smoothing {
  kind: SmootherKind;
  /** 0 (nothing changes) to below 1. */
  weight: number;
  /** What "time" measures distance in. */
  x: "step" | "wall";
}

type SmoothAll = (out: Float64Array, values: Float64Array, n: number, kind: SmootherKind, weight: number, x: Float64Array) => void;
let all: SmoothAll | null = null;

/** Brings the ways to smooth beyond the average that looks back, whose code few visits need. */
export function learn(smoothAll: SmoothAll): void {
  all = smoothAll;
}

const NONE = new Float64Array(0);

/** Smooths a series that grows, at the cost of its new points where the kind allows it. */
export class Smoother {
  #out = NONE;
  #n = 0;
  #made = "";
  #last = 0;
  #counted = 0;
  #constant = true;

  /**
   * Smooths the first `n` values; `x` is what "time" measures distance in, and `edition` tells values
   * that changed from ones that grew.
   */
  update(values: Float64Array, n: number, { kind, weight, x: axis }: Smoothing, edition: number, x: Float64Array): Float64Array {
    const made = `${kind} ${weight} ${kind === "time" ? axis : ""} ${edition}`;
    if (made !== this.#made || n < this.#n) this.#restart(made);
    if (n === this.#n) return this.#out;
    if (this.#out.length < n) {
      const bigger = new Float64Array(values.length);
      bigger.set(this.#out.subarray(0, this.#n));
      this.#out = bigger;
    }
    const wasConstant = this.#constant && this.#n > 0;
    for (let i = this.#n; i < n && this.#constant; i++) this.#constant = values[i] === values[0];
    // What was copied so far has to be smoothed after all.
    if (wasConstant && !this.#constant) this.#n = 0;
    if (this.#constant) this.#out.set(values.subarray(this.#n, n), this.#n);
    else if (kind === "ema") this.#extend(values, n, weight);
    else if (all) all(this.#out, values, n, kind, weight, x);
    else throw new Error(`nothing smooths by ${kind} yet`);
    this.#n = n;
    return this.#out;
  }

  #restart(made: string): void {
    this.#made = made;
    this.#out = NONE; // others are told apart from these by their array
    this.#n = this.#last = this.#counted = 0;
    this.#constant = true;
  }

  /** TensorBoard's debiased average. */
  #extend(values: Float64Array, n: number, weight: number): void {
    const out = this.#out;
    let last = this.#last;
    let counted = this.#counted;
    let debias = 0;
    for (let i = this.#n; i < n; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) {
        out[i] = value;
        continue;
      }
      last = last * weight + (1 - weight) * value;
      counted++;
      if (debias < 1) debias = 1 - weight ** counted;
      out[i] = last / debias;
    }
    this.#last = last;
    this.#counted = counted;
  }
}
