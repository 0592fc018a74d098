import { describe, expect, test } from "vitest";
import { learn, Smoother, type SmootherKind, type Smoothing } from "../src/chart/smooth";
import { smoothAll } from "../src/chart/smoothers";

learn(smoothAll);

const NONE = new Float64Array(0);

function ema(weight: number): Smoothing {
  return { kind: "ema", weight, x: "step" };
}

function smooth(values: number[], weight: number): number[] {
  return [...new Smoother().update(Float64Array.from(values), values.length, ema(weight), 0, NONE)].slice(0, values.length);
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
    for (let n = 1; n <= values.length; n++) grown.update(values, n, ema(0.8), 0, NONE);
    const whole = new Smoother().update(values, values.length, ema(0.8), 0, NONE);
    expect([...grown.update(values, values.length, ema(0.8), 0, NONE)]).toEqual([...whole]);
  });

  test("starts over when the weight or the edition changes, or points went away", () => {
    const smoother = new Smoother();
    const values = Float64Array.from([1, 5, 2, 8]);
    smoother.update(values, 4, ema(0.9), 0, NONE);
    expect([...smoother.update(values, 4, ema(0.5), 0, NONE)]).toEqual(smooth([1, 5, 2, 8], 0.5));
    // What was drawn is told from what is to be drawn by its array.
    const before = smoother.update(values, 4, ema(0.5), 0, NONE);
    expect(smoother.update(values, 4, ema(0.5), 0, NONE)).toBe(before);
    expect(smoother.update(values, 4, ema(0.7), 0, NONE)).not.toBe(before);
    const others = Float64Array.from([4, 4, 1, 0]);
    expect([...smoother.update(others, 4, ema(0.5), 1, NONE)]).toEqual(smooth([4, 4, 1, 0], 0.5));
    expect([...smoother.update(others, 3, ema(0.5), 1, NONE)].slice(0, 3)).toEqual(smooth([4, 4, 1], 0.5));
  });
});

// The server's smoothing has the same numbers in tests/core/test_smoothing.py.
const VALUES = Float64Array.from([3, 1, 4, 1, NaN, 5, 9, 2, Infinity, 6, 5, 3, 5]);
const STEPS = Float64Array.from([0, 1, 2, 3, 4, 6, 7, 10, 11, 12, 20, 21, 30]);
const GOLDEN: [SmootherKind, number, number[]][] = [
  ["ema", 0.75, [3, 1.85714285714, 2.78378378378, 2.13142857143, NaN, 3.07170294494, 4.87466587467, 4.04529125872, Infinity, 4.58833403985, 4.69960529735, 4.24934842607, 4.44528680358]],
  ["time", 0.99, [3, 1.91644248219, 2.72998194663, 2.18357546549, NaN, 3.14958831518, 4.83759973853, 3.92131879435, Infinity, 4.56781928015, 4.80246165133, 4.09776996169, 4.67374856833]],
  ["mean", 0.75, [2.25, 2.8, 3.83333333333, 3.57142857143, NaN, 4, 4.57142857143, 4.42857142857, Infinity, 5, 5, 4.2, 4.75]],
  ["gauss", 0.75, [2.41977767476, 2.50216559969, 2.83692423741, 3.53792897148, NaN, 4.43672138463, 5.01329813668, 5.03931603455, Infinity, 4.81267701685, 4.58006096011, 4.40867221887, 4.3543613391]],
  ["median", 0.75, [2, 3, 3.5, 3, NaN, 4, 5, 5, Infinity, 5, 5, 5, 5]],
];

describe("each way to smooth", () => {
  test.each(GOLDEN)("has the server's numbers: %s", (kind, weight, expected) => {
    const out = new Smoother().update(VALUES, VALUES.length, { kind, weight, x: "step" }, 0, STEPS);
    expected.forEach((value, i) => (Number.isFinite(value) ? expect(out[i]).toBeCloseTo(value, 10) : expect(out[i]).toBe(value)));
  });

  test.each(GOLDEN)("gives a series that grew what it gives the whole: %s", (kind, weight, expected) => {
    const smoother = new Smoother();
    let out: Float64Array = NONE;
    for (let n = 1; n <= VALUES.length; n++) out = smoother.update(VALUES, n, { kind, weight, x: "step" }, 0, STEPS);
    expected.forEach((value, i) => (Number.isFinite(value) ? expect(out[i]).toBeCloseTo(value, 10) : expect(out[i]).toBe(value)));
  });

  test("leaves a constant series and one without numbers as they are", () => {
    for (const [kind] of GOLDEN) {
      const same = Float64Array.from([0.1, 0.1, 0.1]);
      expect([...new Smoother().update(same, 3, { kind, weight: 0.9, x: "step" }, 0, STEPS)]).toEqual([0.1, 0.1, 0.1]);
      const none = Float64Array.from([NaN, Infinity, NaN]);
      expect([...new Smoother().update(none, 3, { kind, weight: 0.9, x: "step" }, 0, STEPS)]).toEqual([NaN, Infinity, NaN]);
    }
  });
});
