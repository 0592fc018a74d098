import { describe, expect, test } from "vitest";
import { Smoother } from "../src/chart/smooth";

function smooth(values: number[], weight: number): number[] {
  return [...new Smoother().update(Float64Array.from(values), values.length, weight, 0)].slice(0, values.length);
}

describe("smoothing", () => {
  test("is the debiased moving average, computed here by hand for 1, 2, 4 at weight one half", () => {
    // last: 0.5, 1.25, 2.625; divided by 1 - 0.5**n: 0.5, 0.75, 0.875.
    expect(smooth([1, 2, 4], 0.5)).toEqual([1, 1.25 / 0.75, 3]);
  });

  test("at weight 0.6 starts at the first value and weighs the second with 1/1.6", () => {
    const [first, second] = smooth([10, 2], 0.6);
    expect(first).toBeCloseTo(10, 12);
    expect(second).toBeCloseTo((0.6 * 10 + 2) / 1.6, 12);
  });

  test("at weight zero returns the values", () => {
    expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2]);
  });

  test("lets values that are not finite pass and leaves them out of the average", () => {
    const [a, b, c, d, e] = smooth([1, NaN, Infinity, -Infinity, 2], 0.5);
    expect([a, b, c, d]).toEqual([1, NaN, Infinity, -Infinity]);
    expect(e).toBe(smooth([1, 2], 0.5)[1]);
  });

  test("leaves a constant series untouched to the last bit", () => {
    expect(smooth(Array<number>(50).fill(0.1), 0.9)).toEqual(Array<number>(50).fill(0.1));
  });

  test("of a growing series equals that of the whole, also when it stops being constant", () => {
    const values = Float64Array.from([0.1, 0.1, 0.1, 0.7, 0.2, NaN, 0.4, 0.3]);
    const grown = new Smoother();
    for (let n = 1; n <= values.length; n++) grown.update(values, n, 0.8, 0);
    const whole = new Smoother().update(values, values.length, 0.8, 0);
    expect([...grown.update(values, values.length, 0.8, 0)]).toEqual([...whole]);
  });

  test("starts over when the weight or the edition changes, or points went away", () => {
    const smoother = new Smoother();
    const values = Float64Array.from([1, 5, 2, 8]);
    smoother.update(values, 4, 0.9, 0);
    expect([...smoother.update(values, 4, 0.5, 0)]).toEqual(smooth([1, 5, 2, 8], 0.5));
    const others = Float64Array.from([4, 4, 1, 0]);
    expect([...smoother.update(others, 4, 0.5, 1)]).toEqual(smooth([4, 4, 1, 0], 0.5));
    expect([...smoother.update(others, 3, 0.5, 1)].slice(0, 3)).toEqual(smooth([4, 4, 1], 0.5));
  });
});
