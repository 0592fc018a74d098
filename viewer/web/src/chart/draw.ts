import { decimate, oddities, Path, type Mark } from "./decimate";
import { inside } from "./extent";
import type { Scale } from "./scale";
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
  | "fillText"
  | "strokeStyle"
  | "fillStyle"
  | "lineWidth"
  | "globalAlpha"
  | "textAlign"
  | "font"
>;

const path = new Path();

function strokePath(pen: Pen, width: number): void {
  const { xy, length } = path;
  const dots: number[] = [];
  let first = true;
  pen.beginPath();
  for (let i = 0; i < length; i += 2) {
    const x = xy[i];
    if (Number.isNaN(x)) {
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

/** Draws one of a trace's two lines. */
export function drawLine(pen: Pen, trace: Trace, values: Float64Array, sx: Scale, sy: Scale, stroke: Stroke): void {
  const [from, to] = inside(trace, { lo: sx.d0, hi: sx.d1 });
  path.clear();
  decimate(trace.x, values, trace.origin, from, to, sx, sy, stroke.cell, path);
  pen.strokeStyle = pen.fillStyle = trace.colour;
  pen.lineWidth = stroke.width;
  pen.globalAlpha = stroke.alpha;
  strokePath(pen, stroke.width);
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
  const marks = oddities(trace.x, trace.raw, trace.origin, from, to, sx, sy, 8);
  if (marks.length === 0) return;
  pen.strokeStyle = pen.fillStyle = trace.colour;
  pen.lineWidth = 1.5;
  for (const mark of marks) drawMark(pen, mark, sy.r1, sy.r0);
}
