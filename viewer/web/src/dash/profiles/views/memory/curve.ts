/** The curve of memory over time, and how it is drawn. */
import { numberTicks } from "../../../../chart/ticks";
import { bytesText, timeText } from "../../numbers";

export interface MemoryDevice {
  device: number;
  name: string;
  peak: number;
  peak_at: number;
  /** The most that the allocator kept, -1 where unknown. */
  reserved: number;
  /** Whether the trace says how much was in use; else the curve begins at nought. */
  exact: boolean;
  records: number;
  /** Whether the trace says where pieces lie, so that their lifetimes are known. */
  pieces: boolean;
  whole: number | null;
}

/** What the server says. Times are nanoseconds; columns have a value for each piece of time in which anything changed. */
export interface Curve {
  devices: readonly MemoryDevice[];
  device: number;
  steps: readonly (readonly [name: string, begin: number, end: number])[];
  end: number;
  lo: number;
  hi: number;
  before: number;
  time: readonly number[];
  low: readonly number[];
  high: readonly number[];
  last: readonly number[];
  reserved: readonly number[];
}

export interface Window {
  lo: number;
  hi: number;
}

/** So much of it, around a place; never less than 10 ns, nor beyond the whole. */
export function zoomed({ lo, hi }: Window, at: number, by: number, end: number): Window {
  const span = Math.max(10, Math.min(end, (hi - lo) * by));
  const share = (at - lo) / (hi - lo);
  const from = Math.max(0, Math.min(end - span, at - share * span));
  return { lo: from, hi: from + span };
}

export function moved({ lo, hi }: Window, share: number, end: number): Window {
  const span = hi - lo;
  const from = Math.max(0, Math.min(end - span, lo + share * span));
  return { lo: from, hi: from + span };
}

/** What was in use at a time: the value of the last change before it, and what was kept. */
export function valueAt(curve: Curve, time: number): { allocated: number; reserved: number; high: number } {
  let [low, high] = [0, curve.time.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (curve.time[middle] <= time) low = middle + 1;
    else high = middle;
  }
  const at = low - 1;
  return at < 0 ? { allocated: curve.before, reserved: -1, high: curve.before } : { allocated: curve.last[at], reserved: curve.reserved[at], high: curve.high[at] };
}

/** A time of the axis, in as few digits as tell it. */
export const tickText = (microseconds: number): string => timeText(microseconds, 6).replace(/\.?0+ /, (zeros) => (zeros.startsWith(".") ? " " : zeros)).replace(/(\.\d*?)0+ /, "$1 ");

/** Bytes at 1-2-5 times a power of 1,024. */
export function byteTicks(most: number, count: number): number[] {
  let unit = 1;
  while (most / unit >= 1_024) unit *= 1_024;
  return numberTicks({ lo: 0, hi: most / unit }, count).values.map((value) => value * unit);
}

export interface Ink {
  line: string;
  text: string;
  faint: string;
  accent: string;
  second: string;
  warn: string;
}

export interface Picture {
  curve: Curve;
  window: Window;
  width: number;
  height: number;
  ink: Ink;
  /** Times that are marked. */
  hover: number | null;
  chosen: number | null;
  drag: readonly [number, number] | null;
}

export const LEFT = 72;
const RIGHT = 12;
const TOP = 16;
const BOTTOM = 22;

export const xOf = ({ lo, hi }: Window, width: number, time: number): number => LEFT + ((time - lo) / (hi - lo)) * (width - LEFT - RIGHT);
export const timeOf = ({ lo, hi }: Window, width: number, x: number): number => lo + ((Math.max(LEFT, Math.min(width - RIGHT, x)) - LEFT) / (width - LEFT - RIGHT)) * (hi - lo);

/** The line through all changes: down and up within a piece of time, flat until the next. */
function trace(pen: CanvasRenderingContext2D, { curve, window, width }: Picture, y: (value: number) => number): void {
  pen.beginPath();
  pen.moveTo(LEFT, y(curve.before));
  let level = y(curve.before);
  curve.time.forEach((time, i) => {
    const x = xOf(window, width, time);
    pen.lineTo(x, level);
    pen.lineTo(x, y(curve.high[i]));
    pen.lineTo(x, y(curve.low[i]));
    level = y(curve.last[i]);
    pen.lineTo(x, level);
  });
  pen.lineTo(width - RIGHT, level);
}

export function draw(pen: CanvasRenderingContext2D, picture: Picture): void {
  const { curve, window, width, height, ink } = picture;
  const device = curve.devices.find(({ device }) => device === curve.device);
  const shown = [...curve.high, curve.before, ...curve.reserved];
  const most = shown.reduce((most, value) => Math.max(most, value), 1) * 1.06;
  const least = Math.min(0, ...curve.low, curve.before);
  const bottom = height - BOTTOM;
  const y = (value: number): number => bottom - ((value - least) / (most - least)) * (bottom - TOP);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px ui-sans-serif, system-ui, sans-serif";
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const value of byteTicks(most, Math.max(2, Math.floor((bottom - TOP) / 44)))) {
    pen.strokeStyle = ink.line;
    pen.beginPath();
    pen.moveTo(LEFT, Math.round(y(value)) + 0.5);
    pen.lineTo(width - RIGHT, Math.round(y(value)) + 0.5);
    pen.stroke();
    pen.fillStyle = ink.faint;
    pen.fillText(bytesText(value), LEFT - 8, y(value));
  }
  const ticks = numberTicks({ lo: window.lo / 1e3, hi: window.hi / 1e3 }, Math.max(2, Math.floor((width - LEFT) / 80)));
  pen.textAlign = "center";
  for (const value of ticks.values) pen.fillText(tickText(value), Math.max(LEFT + 20, Math.min(width - RIGHT - 24, xOf(window, width, value * 1e3))), bottom + 12);
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, 0, width - LEFT - RIGHT, bottom + 1);
  pen.clip();
  let free = LEFT;
  for (const [name, begin] of curve.steps) {
    const x = Math.round(xOf(window, width, begin)) + 0.5;
    if (x < LEFT || x > width) continue;
    pen.strokeStyle = ink.line;
    pen.setLineDash([2, 3]);
    pen.beginPath();
    pen.moveTo(x, TOP - 12);
    pen.lineTo(x, bottom);
    pen.stroke();
    pen.setLineDash([]);
    const label = `step ${name}`;
    if (x + 4 >= free && x + 4 + pen.measureText(label).width <= width - RIGHT) {
      free = x + pen.measureText(label).width + 12;
      pen.textAlign = "left";
      pen.fillStyle = ink.faint;
      pen.fillText(label, x + 4, TOP - 7);
    }
  }
  trace(pen, picture, y);
  pen.strokeStyle = ink.accent;
  pen.lineWidth = 1.5;
  pen.stroke();
  pen.lineTo(width - RIGHT, y(Math.max(least, 0)));
  pen.lineTo(LEFT, y(Math.max(least, 0)));
  pen.globalAlpha = 0.13;
  pen.fillStyle = ink.accent;
  pen.fill();
  pen.globalAlpha = 1;
  if (curve.reserved.some((value) => value > 0)) {
    pen.strokeStyle = ink.second;
    pen.setLineDash([5, 3]);
    pen.beginPath();
    curve.time.forEach((time, i) => {
      if (i > 0) pen.lineTo(xOf(window, width, time), y(curve.reserved[i - 1]));
      pen.lineTo(xOf(window, width, time), y(curve.reserved[i]));
    });
    pen.lineTo(width - RIGHT, y(curve.reserved.at(-1) ?? 0));
    pen.stroke();
    pen.setLineDash([]);
  }
  mark(pen, picture, picture.chosen, ink.accent, bottom);
  mark(pen, picture, picture.hover, ink.text, bottom);
  if (device && device.peak_at >= window.lo && device.peak_at <= window.hi) {
    const x = xOf(window, width, device.peak_at);
    pen.fillStyle = ink.warn;
    pen.beginPath();
    pen.arc(x, y(device.peak), 4, 0, 7);
    pen.fill();
    pen.textAlign = x > width / 2 ? "right" : "left";
    pen.fillText(`peak ${bytesText(device.peak)}`, x + (x > width / 2 ? -8 : 8), y(device.peak) - 8);
  }
  if (picture.drag) {
    const [from, to] = picture.drag;
    pen.fillStyle = ink.accent;
    pen.globalAlpha = 0.15;
    pen.fillRect(Math.min(from, to), TOP, Math.abs(to - from), bottom - TOP);
    pen.globalAlpha = 1;
  }
  pen.restore();
}

function mark(pen: CanvasRenderingContext2D, { window, width }: Picture, time: number | null, colour: string, bottom: number): void {
  if (time === null || time < window.lo || time > window.hi) return;
  const x = Math.round(xOf(window, width, time)) + 0.5;
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, TOP);
  pen.lineTo(x, bottom);
  pen.stroke();
}
