import { decimate, oddities, Path, type Mark } from "./decimate";
import { inside } from "./extent";
import { toPixel, type Scale } from "./scale";
import type { Trace } from "./trace";

/** What drawing needs of a canvas; an SVG writer can offer the same. */
export type Pen = Pick<
  CanvasRenderingContext2D,
  | "beginPath"
  | "moveTo"
  | "lineTo"
  | "stroke"
  | "fill"
  | "arc"
  | "setLineDash"
  | "fillText"
  | "strokeStyle"
  | "fillStyle"
  | "lineWidth"
  | "globalAlpha"
  | "textAlign"
  | "font"
>;

const path = new Path();
/** Farther out than any canvas. */
const FAR = 1e5;

/** What of a line's width it may be off where that saves points: no eye sees it, and most lines are straight here and there. */
const OFF = 0.1;

function strokePath(pen: Pen, width: number): void {
  path.thin(OFF * width);
  const { xy, length } = path;
  const dots: number[] = [];
  let first = true;
  pen.beginPath();
  for (let i = 0; i < length; i += 2) {
    const x = xy[i];
    if (x !== x) {
      first = true;
      continue;
    }
    const alone = first && (i + 2 >= length || Number.isNaN(xy[i + 2]));
    if (alone) dots.push(x, xy[i + 1]);
    else if (first) pen.moveTo(x, xy[i + 1]);
    else pen.lineTo(x, xy[i + 1]);
    first = false;
  }
  pen.stroke();
  // A line needs two points: one between gaps would otherwise be invisible.
  for (let i = 0; i < dots.length; i += 2) dot(pen, dots[i], dots[i + 1], 1.5 + width);
}

export function dot(pen: Pen, x: number, y: number, radius: number): void {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

export interface Stroke {
  width: number;
  alpha: number;
  /** Width of a pixel column in the units of the scales. */
  cell: number;
}

function trail(trace: Trace, values: Float64Array, from: number, to: number, scales: readonly [Scale, Scale], cell: number): void {
  decimate(trace.x, values, trace.origin, from, to, ...scales, cell, path);
}

const SOLID: number[] = [];

function ink(pen: Pen, { colour, dash }: Trace, width: number, alpha: number): void {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = width;
  pen.globalAlpha = alpha;
  if (dash) pen.setLineDash(dash);
  strokePath(pen, width);
  if (dash) pen.setLineDash(SOLID);
  pen.globalAlpha = 1;
}

/** What a restart voided is fainter by this. */
const VOIDED_ALPHA = 0.3;

/** Draws one of a trace's two lines: never across a place where steps go back, and faintly what a restart voided. */
export function drawLine(pen: Pen, trace: Trace, values: Float64Array, sx: Scale, sy: Scale, stroke: Stroke): void {
  const scales = [sx, sy] as const;
  path.clear();
  if (!trace.stretches) {
    trail(trace, values, ...inside(trace, { lo: sx.d0, hi: sx.d1 }), scales, stroke.cell);
    return ink(pen, trace, stroke.width, stroke.alpha);
  }
  let before = -1;
  for (const { from, to, voided } of trace.stretches) {
    if (voided) continue;
    // Over a voided stretch the line goes on; where it was only written out of order it does not.
    if (before >= 0 && trace.step[from] < trace.step[before]) path.lift();
    trail(trace, values, from, to, scales, stroke.cell);
    before = to - 1;
  }
  ink(pen, trace, stroke.width, stroke.alpha);
  path.clear();
  for (const { from, to, voided } of trace.stretches) {
    if (!voided) continue;
    path.lift();
    // From the point before, unless that one was a restart's own end.
    const joined = from > 0 && trace.step[from - 1] <= trace.step[from];
    trail(trace, values, joined ? from - 1 : from, to, scales, stroke.cell);
  }
  if (path.length > 0) ink(pen, trace, stroke.width, stroke.alpha * VOIDED_ALPHA);
}

/** Fills one piece of a band: along its upper edge and back along its lower. */
function fillPiece(pen: Pen, xs: number[], highs: number[], lows: number[]): void {
  if (xs.length === 0) return;
  pen.beginPath();
  xs.forEach((x, i) => (i === 0 ? pen.moveTo(x, highs[i]) : pen.lineTo(x, highs[i])));
  for (let i = xs.length - 1; i >= 0; i--) pen.lineTo(xs[i], lows[i]);
  pen.fill();
}

/** Fills what lies between a trace's edges: at each pixel column from the least to the greatest of them. */
export function drawBand(pen: Pen, trace: Trace, sx: Scale, sy: Scale, alpha: number, cell: number): void {
  const { low, high, x, origin } = trace;
  if (!low || !high) return;
  const [from, to] = inside(trace, { lo: sx.d0, hi: sx.d1 });
  // An edge that a logarithm has no place for is far below.
  const height = (value: number): number => (sy.kind === "log" && value <= 0 ? FAR : Math.max(-FAR, Math.min(FAR, toPixel(sy, value))));
  let [xs, highs, lows]: [number[], number[], number[]] = [[], [], []];
  pen.fillStyle = trace.colour;
  pen.globalAlpha = alpha;
  for (let i = from; i < to; i++) {
    if (Number.isNaN(low[i]) || Number.isNaN(high[i]) || Number.isNaN(x[i])) {
      fillPiece(pen, xs, highs, lows);
      [xs, highs, lows] = [[], [], []];
      continue;
    }
    const at = toPixel(sx, x[i] - origin);
    const [top, bottom] = [height(high[i]), height(low[i])];
    const last = xs.length - 1;
    if (last >= 0 && at - xs[last] < cell) {
      highs[last] = Math.min(highs[last], top);
      lows[last] = Math.max(lows[last], bottom);
    } else {
      xs.push(at);
      highs.push(top);
      lows.push(bottom);
    }
  }
  fillPiece(pen, xs, highs, lows);
  pen.globalAlpha = 1;
}

function drawMark(pen: Pen, { kind, x, y }: Mark, top: number, bottom: number): void {
  const r = 3.5;
  pen.beginPath();
  if (kind === "nan") {
    const at = Number.isNaN(y) ? bottom - r - 1 : Math.min(bottom - r, Math.max(top + r, y));
    pen.moveTo(x - r, at - r);
    pen.lineTo(x + r, at + r);
    pen.moveTo(x + r, at - r);
    pen.lineTo(x - r, at + r);
    pen.stroke();
    return;
  }
  const tip = kind === "up" ? top + 1 : bottom - 1;
  const foot = kind === "up" ? tip + 2 * r - 1 : tip - 2 * r + 1;
  pen.moveTo(x, tip);
  pen.lineTo(x + r, foot);
  pen.lineTo(x - r, foot);
  pen.fill();
}

/** Crosses where values are NaN, arrows at the edge that an infinity left through. */
export function drawOddities(pen: Pen, trace: Trace, sx: Scale, sy: Scale): void {
  const [from, to] = inside(trace, { lo: sx.d0, hi: sx.d1 });
  const marks = oddities(trace.x, trace.raw, trace.origin, from, to, sx, sy, 8).filter(({ x }) => x >= sx.r0 - 8 && x <= sx.r1 + 8);
  if (marks.length === 0) return;
  pen.strokeStyle = pen.fillStyle = trace.colour;
  pen.lineWidth = 1.5;
  for (const mark of marks) drawMark(pen, mark, sy.r1, sy.r0);
}
