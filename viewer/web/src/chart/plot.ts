import { FREE, type Bounds } from "../app/charting";
import { drawBand, drawLine, drawOddities } from "./draw";
import { drawOutside, outsideLabels, type Outside } from "./edges";
import { extentX, extentY } from "./extent";
import { hitsAt, hitsAtX, type Hit } from "./hover";
import type { Ink } from "./ink";
import type { Sheet } from "./overlay";
import { linear, log, symlog, symlogUnit, toData, toPixel, type Scale, type ScaleKind } from "./scale";
import { durationLabel, logTicks, numberTicks, relativeTicks, stepTicks, symlogTicks, wallTicks, type Ticks } from "./ticks";
import type { SvgPen, Surface } from "./svg";
import type { Range, Trace } from "./trace";

/** What x counts: steps, seconds, moments, or the values of another tag. */
export type AxisKind = "step" | "relative" | "wall" | "value";

/** A part of the plane to show. Without x that is all of it; without y, what fits x. */
export interface Zoom {
  x: Range | null;
  y: Range | null;
}

/** A rectangle being dragged, in pixels; null stands for the whole of that direction. */
export interface Drag {
  x: Range | null;
  y: Range | null;
}

const TOP = 8;
const RIGHT = 12;
const BOTTOM = 22;
/** Room beyond the first and the last point, so that a dot on the edge is a whole dot. */
const INSET = 5;
const LABEL_PX = 11;
const RAW_ALPHA = 0.26;
const BACK_ALPHA = 0.18;
const BAND_ALPHA = 0.2;

/** What labels measure: those of fifty charts are a few dozen, and to measure one is as much work as to draw it. */
const widths = new Map<string, number>();
const WIDTHS = 1000;

function widthOf(pen: Surface, text: string): number {
  let width = widths.get(text);
  if (width === undefined) {
    if (widths.size >= WIDTHS) widths.clear();
    widths.set(text, (width = pen.measureText(text).width));
  }
  return width;
}

const XTICKS = { step: stepTicks, relative: relativeTicks, wall: wallTicks, value: numberTicks };

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser has no 2D canvas");
  return pen;
}

function valueTicks(range: Range, kind: ScaleKind, count: number): Ticks {
  const unit = symlogUnit(range.lo, range.hi);
  if (kind === "log" || (kind === "symlog" && range.lo > unit)) return logTicks(range, count);
  return kind === "symlog" ? symlogTicks(range, count, unit) : numberTicks(range, count);
}

function rising({ lo, hi }: Range, kind: ScaleKind, bottom: number, top: number): Scale {
  if (kind === "log") return log(lo, hi, bottom, top);
  return kind === "symlog" ? symlog(lo, hi, bottom, top, symlogUnit(lo, hi)) : linear(lo, hi, bottom, top);
}

/** Ticks of steps or seconds drawn by their logarithm. */
function bentTicks(axis: AxisKind, range: Range, count: number): Ticks {
  const near = range.lo > 1 ? logTicks(range, count) : symlogTicks(range, count, 0.1);
  if (axis === "value") return valueTicks(range, "symlog", count);
  if (near.values.length < 2) return XTICKS[axis](range, count);
  return axis === "relative" ? { values: near.values, labels: near.values.map((value) => durationLabel(value, 0)) } : near;
}

/** What the data ask for, with the ends that were typed; one that leaves nothing to see moves the other. */
function within([lo, hi]: Bounds, data: () => Range): Range {
  if (lo !== null && hi !== null) return { lo, hi };
  const range = data();
  const room = range.hi - range.lo;
  if (lo !== null) return { lo, hi: range.hi > lo ? range.hi : lo + room };
  return hi === null ? range : { lo: range.lo < hi ? range.lo : hi - room, hi };
}

/** Whether a trace is that run's, or one of several runs that it is among. */
function stands({ name, run, runs }: Trace, front: string | null): boolean {
  return front !== null && (runs ? runs.includes(front) : (run ?? name) === front);
}

/** One line chart on two canvases: the lines, and what follows the pointer, on one of its own kind above them. */
export class Plot {
  traces: readonly Trace[] = [];
  axis: AxisKind = "step";
  /** What x is called, where its labels do not tell. */
  xname = "";
  /** Where the axes end when nothing is zoomed; null where the data decide. */
  bounds: { x: Bounds; y: Bounds } = { x: FREE, y: FREE };
  /** How values go up the chart. */
  rise: ScaleKind = "linear";
  /** Whether steps and seconds are drawn by their logarithm. */
  bent = false;
  zoom: Zoom | null = null;
  /** Whether outliers are left out of the height. */
  trim = false;
  /** Points above and below what is shown, where outliers are left out. */
  outside: Outside = { above: 0, below: 0 };
  /** Name of the trace that stands out, if any. */
  front: string | null = null;
  #base: HTMLCanvasElement;
  #over: HTMLCanvasElement | null = null;
  #ink: Ink;
  #width = 0;
  #height = 0;
  #ratio = 1;
  #sx: Scale = linear(0, 1, 0, 1);
  #sy: Scale = linear(0, 1, 1, 0);

  constructor(base: HTMLCanvasElement, ink: Ink) {
    this.#base = base;
    this.#ink = ink;
  }

  set ink(ink: Ink) {
    this.#ink = ink;
  }

  get scales(): { x: Scale; y: Scale } {
    return { x: this.#sx, y: this.#sy };
  }

  resize(width: number, height: number, ratio: number): void {
    this.#width = width;
    this.#height = height;
    this.#ratio = ratio;
    this.#fit(this.#base);
    if (this.#over) this.#fit(this.#over);
  }

  #fit(canvas: HTMLCanvasElement): void {
    canvas.width = Math.round(this.#width * this.#ratio);
    canvas.height = Math.round(this.#height * this.#ratio);
  }

  draw(): void {
    const pen = context(this.#base);
    pen.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    pen.clearRect(0, 0, this.#width, this.#height);
    this.#paint(pen);
  }

  /** The chart as it stands, as a document of its own, by a pen whose code few visits need. */
  svg(title: string, Pen: typeof SvgPen): string {
    const measuring = context(this.#base);
    const pen = new Pen((text) => measuring.measureText(text));
    const ratio = this.#ratio;
    this.#ratio = 1; // lines of a whole unit, whatever screen it is made on
    this.#paint(pen);
    this.#ratio = ratio;
    return pen.document(this.#width, this.#height, this.#ink.panel, title);
  }

  /** The chart as it stands, on its background. */
  png(): Promise<Blob | null> {
    const sheet = document.createElement("canvas");
    sheet.width = this.#base.width;
    sheet.height = this.#base.height;
    const pen = context(sheet);
    pen.fillStyle = this.#ink.panel;
    pen.fillRect(0, 0, sheet.width, sheet.height);
    pen.drawImage(this.#base, 0, 0);
    return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
  }

  #paint(pen: Surface): void {
    pen.font = `${LABEL_PX}px ui-sans-serif, system-ui, sans-serif`;
    const x = this.zoom?.x ?? this.homeX;
    const y = this.#extentY(x);
    const bottom = this.#height - BOTTOM;
    const yTicks = valueTicks(y, this.rise, Math.max(2, (bottom - TOP) / 32));
    const left = this.#leftMargin(pen, yTicks);
    const across = [x.lo, x.hi, left + INSET, this.#width - RIGHT - INSET] as const;
    // Step 0 has no logarithm; this bend has a place for it, and one unit is one step or second.
    this.#sx = this.bent && this.axis !== "wall" ? symlog(...across, this.axis === "value" ? symlogUnit(x.lo, x.hi) : 1) : linear(...across);
    this.#sy = rising(y, this.rise, bottom, TOP);
    this.#drawAxes(pen, yTicks);
    pen.save();
    pen.beginPath();
    pen.rect(left, TOP - 4, this.#width - RIGHT - left, bottom - TOP + 5);
    pen.clip();
    this.#drawTraces(pen);
    const trimmed = (this.trim || this.bounds.y.some((end) => end !== null)) && !this.zoom?.y;
    this.outside = trimmed ? drawOutside(pen, this.traces, this.#sx, this.#sy) : { above: 0, below: 0 };
    pen.restore();
    this.#drawOutsideLabels(pen);
    if (this.xname) this.#drawNote(pen, this.xname, this.#sy.r0 - (this.outside.below ? 25 : 9));
  }

  #drawOutsideLabels(pen: Surface): void {
    const { above, below } = outsideLabels(this.outside);
    if (above) this.#drawNote(pen, above, this.#sy.r1 + 14);
    if (below) this.#drawNote(pen, below, this.#sy.r0 - 9);
  }

  /** A few words at the right edge, on a ground that lets lines through a little. */
  #drawNote(pen: Surface, text: string, at: number): void {
    const right = this.#sx.r1 + INSET;
    const most = 40;
    const short = text.length > most ? `…${text.slice(1 - most)}` : text;
    const width = widthOf(pen, short) + 8;
    pen.textAlign = "right";
    pen.globalAlpha = 0.85;
    pen.fillStyle = this.#ink.panel;
    pen.beginPath();
    pen.rect(right - width, at - 11, width, 15);
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillStyle = this.#ink.label;
    pen.fillText(short, right - 4, at);
  }

  #extentY(x: Range): Range {
    const zoomed = this.zoom?.y;
    // A zoom made on another scale may reach where a logarithm does not.
    if (zoomed && !(this.rise === "log" && zoomed.lo <= 0)) return zoomed;
    const [lo, hi] = this.bounds.y;
    const allowed = this.rise === "log" && lo !== null && lo <= 0 ? ([null, hi] as const) : this.bounds.y;
    return within(allowed, () => extentY(this.traces, x, this.rise, this.trim));
  }

  // In steps, so that a label that grows by a digit does not shake the whole chart.
  #leftMargin(pen: Surface, ticks: Ticks): number {
    const widest = Math.max(0, ...ticks.labels.map((label) => widthOf(pen, label)));
    return Math.max(36, Math.ceil((widest + 10) / 6) * 6);
  }

  #drawAxes(pen: Surface, yTicks: Ticks): void {
    const left = this.#sx.r0 - INSET;
    const right = this.#sx.r1 + INSET;
    const { r0: bottom } = this.#sy;
    // Half a device pixel off the grid's lines: a hairline then fills one row and not two.
    const crisp = (pixel: number): number => (Math.round(pixel * this.#ratio - 0.5) + 0.5) / this.#ratio;
    pen.lineWidth = 1 / this.#ratio;
    pen.strokeStyle = this.#ink.grid;
    pen.fillStyle = this.#ink.label;
    pen.textAlign = "right";
    pen.beginPath();
    yTicks.values.forEach((value, i) => {
      const at = crisp(toPixel(this.#sy, value));
      pen.moveTo(left, at);
      pen.lineTo(right, at);
      pen.fillText(yTicks.labels[i], left - 7, at + LABEL_PX * 0.36);
    });
    pen.stroke();
    this.#drawXAxis(pen, crisp, bottom);
  }

  #drawXAxis(pen: Surface, crisp: (pixel: number) => number, bottom: number): void {
    const { r0: left, r1: right, d0, d1 } = this.#sx;
    const room = this.axis === "step" ? 48 : this.axis === "relative" ? 64 : 72;
    const count = Math.max(1, (right - left) / room);
    const bent = this.#sx.kind === "symlog";
    const ticks = bent ? bentTicks(this.axis, { lo: d0, hi: d1 }, count) : XTICKS[this.axis]({ lo: d0, hi: d1 }, count);
    pen.textAlign = "center";
    pen.strokeStyle = this.#ink.axis;
    pen.beginPath();
    const floor = crisp(bottom);
    pen.moveTo(left - INSET, floor);
    pen.lineTo(right + INSET, floor);
    let free = -Infinity;
    ticks.values.forEach((value, i) => {
      const at = crisp(toPixel(this.#sx, value));
      const label = ticks.labels[i];
      const half = widthOf(pen, label) / 2;
      pen.moveTo(at, floor);
      pen.lineTo(at, floor + 3);
      const centre = Math.min(this.#width - half - 1, Math.max(half + 1, at));
      if (centre - half < free) return;
      free = centre + half + 8;
      pen.fillText(label, centre, bottom + 15);
    });
    pen.stroke();
  }

  #drawTraces(pen: Surface): void {
    // A line wider than one device pixel costs a rasteriser ten times as much.
    const width = Math.max(1, Math.floor(this.#ratio)) / this.#ratio;
    const cell = 1 / this.#ratio;
    const front = this.front === null ? [] : this.traces.filter((trace) => stands(trace, this.front));
    const alpha = front.length > 0 ? BACK_ALPHA : 1;
    pen.lineJoin = "round";
    for (const trace of this.traces) drawBand(pen, trace, this.#sx, this.#sy, BAND_ALPHA * (front.includes(trace) ? 1 : alpha), cell);
    for (const trace of this.traces) {
      if (trace.line === trace.raw || front.includes(trace)) continue;
      drawLine(pen, trace, trace.raw, this.#sx, this.#sy, { width, cell, alpha: RAW_ALPHA * alpha });
    }
    for (const trace of this.traces) {
      if (front.includes(trace)) continue;
      drawLine(pen, trace, trace.line, this.#sx, this.#sy, { width, cell, alpha });
      drawOddities(pen, trace, this.#sx, this.#sy);
    }
    for (const trace of front) {
      if (trace.line !== trace.raw) drawLine(pen, trace, trace.raw, this.#sx, this.#sy, { width, cell, alpha: 2 * RAW_ALPHA });
      drawLine(pen, trace, trace.line, this.#sx, this.#sy, { width: 2 * width, cell, alpha: 1 });
      drawOddities(pen, trace, this.#sx, this.#sy);
    }
  }

  hits(px: number, py: number): Hit[] {
    return hitsAt(this.traces, this.#sx, this.#sy, px, py);
  }

  /** For every trace its point nearest to a place of x that need not be in view, in the order of the traces. */
  hitsAtX(x: number): Hit[] {
    return hitsAtX(this.traces, this.#sx, this.#sy, x);
  }

  /** Where x ends when nothing is zoomed. */
  get homeX(): Range {
    const all = this.traces.map((trace) => trace.whole ?? trace);
    return within(this.bounds.x, () => extentX(all, this.axis === "step" ? 1 : 0.5));
  }

  /** Redraws what lies above the lines, as `draw` says; without, nothing does. */
  drawOver(draw: ((sheet: Sheet) => void) | null): void {
    if (!draw && !this.#over) return;
    // Made only now: of many charts few are ever pointed at, and a canvas costs in each frame.
    if (!this.#over) {
      this.#over = this.#base.cloneNode() as HTMLCanvasElement;
      this.#base.after(this.#over);
    }
    const pen = context(this.#over);
    pen.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    pen.clearRect(0, 0, this.#width, this.#height);
    draw?.({ pen, ink: this.#ink, ratio: this.#ratio, sx: this.#sx, sy: this.#sy });
  }

  /** The zoom that a dragged rectangle asks for, or null where numbers are too coarse for it. */
  zoomOf(drag: Drag): Zoom | null {
    const { x: sx, y: sy } = this.scales;
    // A direction that was not dragged stays as it is zoomed now.
    const x = drag.x ? { lo: toData(sx, drag.x.lo), hi: toData(sx, drag.x.hi) } : (this.zoom?.x ?? null);
    const y = drag.y ? { lo: toData(sy, drag.y.hi), hi: toData(sy, drag.y.lo) } : null;
    const deep = (range: Range | null): boolean =>
      !range || range.hi - range.lo > Math.max(Math.abs(range.lo), Math.abs(range.hi)) * 1e-12;
    return deep(x) && deep(y) ? { x, y } : null;
  }
}

const CLICK_PX = 5;
const TALL_PX = 28;

/**
 * The rectangle between two places, or null when it is too small to be meant. A flat one
 * takes x alone, a steep one y alone, any other both.
 */
export function dragBetween(a: { x: number; y: number }, b: { x: number; y: number }, scales: { x: Scale; y: Scale }): Drag | null {
  const clip = (value: number, p: number, q: number): number => Math.min(Math.max(p, q), Math.max(Math.min(p, q), value));
  const xs = [clip(a.x, scales.x.r0, scales.x.r1), clip(b.x, scales.x.r0, scales.x.r1)].sort((p, q) => p - q);
  const ys = [clip(a.y, scales.y.r0, scales.y.r1), clip(b.y, scales.y.r0, scales.y.r1)].sort((p, q) => p - q);
  const wide = xs[1] - xs[0];
  const tall = ys[1] - ys[0];
  if (Math.max(wide, tall) < CLICK_PX) return null;
  const takesY = tall >= TALL_PX && tall > 0.3 * wide;
  const takesX = !takesY || wide >= CLICK_PX;
  return { x: takesX ? { lo: xs[0], hi: xs[1] } : null, y: takesY ? { lo: ys[0], hi: ys[1] } : null };
}
