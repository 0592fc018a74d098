import { describe, expect, it } from "vitest";
import type { Curve } from "../src/dash/curves/fetch";
import { f1Of, nearest, pointsOf, thresholdAt } from "../src/dash/curves/points";

const curve: Curve = {
  kind: "pr",
  thresholds: 4,
  ap: 1,
  auc: 1,
  exact: false,
  threshold: [0, 0.1 + 0.2, 0.6, 1],
  precision: [0.5, 2 / 3, 1, 0],
  recall: [1, 1, 0.5, 0],
  fpr: [1, 0.5, 0, 0],
  tp: [2, 2, 1, 0],
  fp: [2, 1, 0, 0],
  tn: [0, 1, 2, 2],
  fn: [0, 0, 1, 2],
};

describe("curves", () => {
  it("have a point for each threshold, but none where nothing is predicted and precision means nothing", () => {
    expect(pointsOf(curve, "roc").map(({ x, y, at }) => [x, y, at])).toEqual([[1, 1, 0], [0.5, 1, 1], [0, 0.5, 2], [0, 0, 3]]);
    expect(pointsOf(curve, "pr").map(({ x, y, at }) => [x, y, at])).toEqual([[1, 0.5, 0], [1, 2 / 3, 1], [0.5, 1, 2]]);
  });
  it("are looked at where the last threshold is that is not above the wanted one, rounding forgiven", () => {
    expect([-1, 0, 0.29, 0.3, 0.59, 0.6, 2].map((wanted) => thresholdAt(curve, wanted))).toEqual([0, 0, 0, 1, 1, 2, 3]);
  });
  it("find the point next to the pointer", () => {
    expect(nearest(pointsOf(curve, "roc"), 0.1, 0.6)?.at).toBe(2);
    expect(nearest([], 0, 0)).toBeNull();
  });
  it("have an F1 where anything is or was said to be positive", () => {
    expect([f1Of(curve, 0), f1Of(curve, 1), f1Of(curve, 3)]).toEqual([2 / 3, 0.8, 0]);
    expect(f1Of({ ...curve, tp: [0], fp: [0], fn: [0] }, 0)).toBeNaN();
  });
});
