/**
 * The debiased exponential moving average of TensorBoard's line charts.
 *
 * From zero, `last = last*w + (1-w)*x`, shown as `last / (1 - w**n)` after n finite values.
 * NaN and infinities pass through and are not counted. A series whose values are all equal
 * is shown as it is, which spares it the rounding.
 *
 * It keeps where it stopped, so that a growing series costs only its new points.
 */
export class Smoother {
  #out = new Float64Array(0);
  #n = 0;
  #weight = -1;
  #edition = -1;
  #last = 0;
  #counted = 0;
  #constant = true;

  /** Smooths the first `n` values; `edition` tells values that changed from ones that grew. */
  update(values: Float64Array, n: number, weight: number, edition: number): Float64Array {
    if (weight !== this.#weight || edition !== this.#edition || n < this.#n) this.#restart(weight, edition);
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
    else this.#extend(values, n, weight);
    this.#n = n;
    return this.#out;
  }

  #restart(weight: number, edition: number): void {
    this.#weight = weight;
    this.#edition = edition;
    this.#n = this.#last = this.#counted = 0;
    this.#constant = true;
  }

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
