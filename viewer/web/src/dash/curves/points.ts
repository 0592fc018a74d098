import type { Curve } from "./fetch";

export interface Point {
  x: number;
  y: number;
  /** Its place among the thresholds. */
  at: number;
}

/**
 * The points of a curve, thresholds rising: precision over recall, or the true over the false positive rate. A threshold
 * that nothing reaches has no precision, and no point.
 */
export function pointsOf(curve: Curve, kind: "pr" | "roc"): Point[] {
  const points: Point[] = [];
  for (let at = 0; at < curve.threshold.length; at++) {
    if (kind === "pr" && curve.tp[at] + curve.fp[at] === 0) continue;
    const x = kind === "pr" ? curve.recall[at] : curve.fpr[at];
    const y = kind === "pr" ? curve.precision[at] : curve.recall[at];
    if (x !== null && y !== null) points.push({ x, y, at });
  }
  return points;
}

/** The place of the last threshold that is not above `wanted`. */
export function thresholdAt(curve: Curve, wanted: number): number {
  let found = 0;
  // Rounded sums such as 0.1 + 0.2 stand for what they mean.
  for (let at = 0; at < curve.threshold.length; at++) if (curve.threshold[at] <= wanted + 1e-9) found = at;
  return found;
}

/** The point next to a place, both from 0 to 1. */
export function nearest(points: readonly Point[], x: number, y: number): Point | null {
  let found: Point | null = null;
  let least = Infinity;
  for (const point of points) {
    const away = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (away < least) [found, least] = [point, away];
  }
  return found;
}

/** The harmonic mean of precision and recall at a threshold. */
export function f1Of({ tp, fp, fn }: Curve, at: number): number {
  const all = 2 * tp[at] + fp[at] + fn[at];
  return all > 0 ? (2 * tp[at]) / all : NaN;
}
