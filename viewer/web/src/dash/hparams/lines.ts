import type { Axis } from "./axes";
import type { Row } from "./rows";

/** Where the parts of the plot are, in CSS pixels. */
export interface Frame {
  width: number;
  height: number;
  /** The middle of each axis. */
  x: readonly number[];
  top: number;
  bottom: number;
  /** Where values stand that have no place on their axis. */
  none: number;
}

export const HEAD_PX = 46;
const NONE_PX = 18;
const EDGE_PX = 56;
export const LEAST_GAP_PX = 92;

export function frameOf(width: number, height: number, axes: readonly Axis[]): Frame {
  const gaps = axes.some((axis) => axis.gaps);
  const bottom = height - 12 - (gaps ? NONE_PX : 0);
  const inner = width - 2 * EDGE_PX;
  const x = axes.map((_, i) => (axes.length === 1 ? width / 2 : EDGE_PX + (inner * i) / (axes.length - 1)));
  return { width, height, x, top: HEAD_PX, bottom: Math.max(HEAD_PX + 10, bottom), none: bottom + NONE_PX };
}

export function yOf(frame: Frame, at: number | null): number {
  return at === null ? frame.none : frame.bottom - at * (frame.bottom - frame.top);
}

/** The place of a height: below 0 where it is beside the line. */
export function placeOf(frame: Frame, y: number): number {
  const at = (frame.bottom - y) / (frame.bottom - frame.top);
  return Math.min(1, at);
}

/** The heights of each row on each axis, row by row. */
export function heightsOf(frame: Frame, rows: readonly Row[], ids: readonly string[], axes: readonly Axis[]): Float32Array {
  const n = ids.length;
  const heights = new Float32Array(rows.length * n);
  for (let j = 0; j < n; j++) {
    const { place } = axes[j];
    for (let i = 0; i < rows.length; i++) heights[i * n + j] = yOf(frame, place(rows[i].values.get(ids[j])));
  }
  return heights;
}

export function trace(context: CanvasRenderingContext2D, x: readonly number[], heights: Float32Array, row: number): void {
  const n = x.length;
  context.beginPath();
  context.moveTo(x[0], heights[row * n]);
  for (let j = 1; j < n; j++) context.lineTo(x[j], heights[row * n + j]);
  // A single axis has no lines: a dash on it stands for the row.
  if (n === 1) context.lineTo(x[0] + 12, heights[row]);
  context.stroke();
}

/** The row whose line is nearest to a point; null where none is within reach. Ticked rows go before others. */
export function nearestRow(x: readonly number[], heights: Float32Array, rows: number, isTicked: (row: number) => boolean, px: number, py: number): number | null {
  const n = x.length;
  let j = 0;
  while (j < n - 2 && px > x[j + 1]) j++;
  const next = Math.min(n - 1, j + 1);
  const share = next === j ? 0 : Math.min(1, Math.max(0, (px - x[j]) / (x[next] - x[j])));
  let best: number | null = null;
  let least = 14;
  for (let i = 0; i < rows; i++) {
    const y = heights[i * n + j] * (1 - share) + heights[i * n + next] * share;
    const away = Math.abs(y - py) + (isTicked(i) ? 0 : 6);
    if (away < least) [best, least] = [i, away];
  }
  return best;
}

/** How much of a line's colour shows, for so many of them to be told apart. */
export function opacityFor(rows: number): number {
  return Math.min(0.9, Math.max(0.18, 10 / Math.sqrt(rows + 1) / 2));
}
