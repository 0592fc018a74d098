/** What the four pictures of histograms share: where things are, how high a count is, and what lies under the pointer. */
import type { Ink } from "../../chart/ink";
import { linear, toPixel, type Scale } from "../../chart/scale";
import type { Surface } from "../../chart/svg";
import { numberTicks, relativeTicks, stepTicks, wallTicks, type Ticks } from "../../chart/ticks";
import { countIn, type Found, type Rows } from "./frame";
import type { Axis, Height } from "./settings";

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** One row of one series, and perhaps one of its buckets. */
export interface Spot {
  series: number;
  row: number;
  bin: number;
}

export interface Scene {
  width: number;
  height: number;
  found: Found;
  /** Of each series, as CSS has it. */
  colours: readonly string[];
  ink: Ink;
  counting: Height;
  /** Of each series the row that is marked, or -1. */
  marked: readonly number[];
  /** Rounds to whole pixels of the device. */
  snap: (pixel: number) => number;
}

/** The part that a zoom shows: places on the axis and values; null for all. */
export interface Zoom {
  first: number | null;
  last: number | null;
  low: number | null;
  high: number | null;
}

export const WHOLE: Zoom = { first: null, last: null, low: null, high: null };

export function isWhole(zoom: Zoom): boolean {
  return zoom.first === null && zoom.low === null;
}

/** One way to draw a scene, and to find in it. */
export interface Picture {
  draw: (pen: Surface, scene: Scene) => void;
  /** What is under a place. */
  spot: (scene: Scene, x: number, y: number) => Spot | null;
  /** What a rectangle that was drawn over the picture chooses. */
  zoomed: (scene: Scene, box: Box) => Partial<Zoom>;
  /** How a chosen row or bucket is emphasised. */
  point: (pen: Surface, scene: Scene, spot: Spot) => void;
}

export const AXIS_PX = 20;
const LEFT_PX = 46;
const PAD_PX = 8;

/** Where the data are drawn. */
export function plotOf({ width, height }: Pick<Scene, "width" | "height">): Box {
  return { left: LEFT_PX, top: PAD_PX, right: Math.max(LEFT_PX + 10, width - PAD_PX - 4), bottom: Math.max(PAD_PX + 10, height - AXIS_PX) };
}

/** From the first to the last place on the axis of all rows; a single one has room around it. */
export function extentOf({ series }: Found): [number, number] {
  let lo = Infinity;
  let hi = -Infinity;
  for (const { x, n } of series) {
    for (let i = 0; i < n; i++) {
      if (x[i] < lo) lo = x[i];
      if (x[i] > hi) hi = x[i];
    }
  }
  if (lo > hi) return [0, 1];
  return lo === hi ? [lo - 0.5, hi + 0.5] : [lo, hi];
}

/** Of each series, the greatest count of all its rows; of all series where `together`. */
export function peakOf({ series, bins }: Found): number {
  let peak = 0;
  for (const { counts, n } of series) {
    for (let row = 0; row < n; row++) {
      const from = row * (bins + 2) + 1;
      for (let i = from; i < from + bins; i++) if (counts[i] > peak) peak = counts[i];
    }
  }
  return peak;
}

/** A row's own greatest count. */
export function rowPeak(found: Found, rows: Rows, row: number): number {
  let peak = 0;
  for (let bin = 0; bin < found.bins; bin++) peak = Math.max(peak, countIn(found, rows, row, bin));
  return peak;
}

/** How high a count is, from 0 to 1; `peak` is that of all rows, or of the row itself. */
export function levelOf(count: number, peak: number, counting: Height): number {
  if (!(count > 0) || !(peak > 0)) return 0;
  return counting === "log" ? Math.log1p(count) / Math.log1p(peak) : count / peak;
}

export function peakFor(scene: Scene, peak: number, rows: Rows, row: number): number {
  return scene.counting === "own" ? rowPeak(scene.found, rows, row) : peak;
}

/** Where the values lie along the bottom. */
export function valuesAcross({ found: { low, high } }: Scene, box: Box): Scale {
  return linear(low, high, box.left, box.right);
}

export function axisTicks(axis: Axis, lo: number, hi: number, count: number): Ticks {
  const range = { lo, hi };
  return axis === "step" ? stepTicks(range, count) : axis === "relative" ? relativeTicks(range, count) : wallTicks(range, count);
}

/** The bottom axis: a line, ticks and their labels. */
export function drawBottom(pen: Surface, { ink, snap }: Scene, box: Box, scale: Scale, ticks: Ticks): void {
  pen.lineWidth = 1;
  pen.strokeStyle = ink.grid;
  pen.beginPath();
  for (const value of ticks.values) {
    const x = snap(toPixel(scale, value));
    pen.moveTo(x, box.top);
    pen.lineTo(x, box.bottom);
  }
  pen.stroke();
  pen.strokeStyle = ink.axis;
  pen.beginPath();
  pen.moveTo(box.left, snap(box.bottom));
  pen.lineTo(box.right, snap(box.bottom));
  pen.stroke();
  pen.fillStyle = ink.label;
  pen.textAlign = "center";
  let free = -Infinity;
  ticks.values.forEach((value, i) => {
    const half = pen.measureText(ticks.labels[i]).width / 2;
    const at = Math.max(half, Math.min(box.right + 8 - half, toPixel(scale, value)));
    if (at - half < free) return;
    free = at + half + 6;
    pen.fillText(ticks.labels[i], at, box.bottom + 14);
  });
}

/** Labels left of the picture, where there is room between them. */
export function drawLeft(pen: Surface, { ink, snap }: Scene, box: Box, scale: Scale, ticks: Ticks, lines: boolean): void {
  if (lines) {
    pen.strokeStyle = ink.grid;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const value of ticks.values) {
      const y = snap(toPixel(scale, value));
      pen.moveTo(box.left, y);
      pen.lineTo(box.right, y);
    }
    pen.stroke();
  }
  pen.fillStyle = ink.label;
  pen.textAlign = "right";
  const placed: number[] = [];
  ticks.values.forEach((value, i) => {
    const y = toPixel(scale, value);
    if (placed.some((other) => Math.abs(other - y) < 12)) return;
    placed.push(y);
    pen.fillText(ticks.labels[i], box.left - 6, y + 4);
  });
}

export function valueTicks(scene: Scene, px: number, each: number): Ticks {
  return numberTicks({ lo: scene.found.low, hi: scene.found.high }, Math.max(2, px / each));
}

/** Where a row's place on the axis ends and the next one's begins: half way to its neighbours, of rows in order. */
export function spansOf(rows: Rows, scale: Scale): Float64Array {
  const ends = new Float64Array(2 * rows.n);
  const apart = Array.from({ length: Math.max(0, rows.n - 1) }, (_, i) => toPixel(scale, rows.x[i + 1]) - toPixel(scale, rows.x[i])).sort((a, b) => a - b);
  const usual = apart.length > 0 ? apart[(apart.length - 1) >> 1] : Math.abs(scale.r1 - scale.r0);
  for (let i = 0; i < rows.n; i++) {
    const here = toPixel(scale, rows.x[i]);
    const before = i > 0 ? (here - toPixel(scale, rows.x[i - 1])) / 2 : usual / 2;
    const behind = i < rows.n - 1 ? (toPixel(scale, rows.x[i + 1]) - here) / 2 : usual / 2;
    // A pause in the training is a gap, and not one wide histogram.
    ends[2 * i] = here - Math.min(before, 2 * usual);
    ends[2 * i + 1] = here + Math.min(behind, 2 * usual);
  }
  return ends;
}

/** The row nearest to a place on the axis, in pixels. */
export function nearestRow(rows: Rows, scale: Scale, pixel: number): number {
  let found = -1;
  let least = Infinity;
  for (let i = 0; i < rows.n; i++) {
    const away = Math.abs(toPixel(scale, rows.x[i]) - pixel);
    if (away < least) [found, least] = [i, away];
  }
  return found;
}

/** The bucket at a fraction of the range. */
export function binAt({ bins }: Found, part: number): number {
  return Math.max(0, Math.min(bins - 1, Math.floor(part * bins)));
}

/** A rectangle's ends as data, in order and not beyond the scale's own. */
export function between(scale: Scale, a: number, b: number): [number, number] {
  const at = (pixel: number): number => scale.d0 + ((pixel - scale.r0) / (scale.r1 - scale.r0)) * (scale.d1 - scale.d0);
  const [lo, hi] = [Math.min(at(a), at(b)), Math.max(at(a), at(b))];
  const [least, most] = [Math.min(scale.d0, scale.d1), Math.max(scale.d0, scale.d1)];
  return [Math.max(least, lo), Math.min(most, hi)];
}

export function inside(pen: Surface, { left, top, right, bottom }: Box, draw: () => void): void {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, right - left, bottom - top);
  pen.clip();
  draw();
  pen.restore();
}
