import { dot } from "./draw";
import { valueText } from "./format";
import type { Hit } from "./hover";
import type { Ink } from "./ink";
import type { Drag } from "./plot";
import type { Scale } from "./scale";

/** What lies above the lines is drawn on. */
export interface Sheet {
  pen: CanvasRenderingContext2D;
  ink: Ink;
  ratio: number;
  sx: Scale;
  sy: Scale;
}

export function drawDrag({ pen, ink, sx, sy }: Sheet, { x, y }: Drag): void {
  const across = x ?? { lo: sx.r0, hi: sx.r1 };
  const down = y ?? { lo: sy.r1, hi: sy.r0 };
  const box = [across.lo, down.lo, across.hi - across.lo, down.hi - down.lo] as const;
  pen.fillStyle = ink.accent;
  pen.globalAlpha = 0.14;
  pen.fillRect(...box);
  pen.globalAlpha = 0.8;
  pen.strokeStyle = ink.accent;
  pen.lineWidth = 1;
  pen.strokeRect(...box);
  pen.globalAlpha = 1;
}

/** A hairline from top to bottom, on whole device pixels. */
export function drawUpright({ pen, ratio, sy }: Sheet, pixel: number, colour: string): void {
  const at = Math.round(pixel * ratio - 0.5) / ratio + 0.5 / ratio;
  pen.strokeStyle = colour;
  pen.lineWidth = 1 / ratio;
  pen.beginPath();
  pen.moveTo(at, sy.r1 - 4);
  pen.lineTo(at, sy.r0);
  pen.stroke();
}

const DOTS = 200;

function drawDots({ pen, ink, sy }: Sheet, hits: readonly Hit[], first: Hit | undefined): void {
  // Farthest first: the nearest one's dot must not lie under another.
  for (const hit of hits.slice(0, DOTS).reverse()) {
    if (!(hit.py >= sy.r1 - 4 && hit.py <= sy.r0 + 1)) continue;
    const nearest = hit === first;
    pen.fillStyle = ink.panel;
    dot(pen, hit.px, hit.py, nearest ? 5 : 3.5);
    pen.fillStyle = hit.trace.colour;
    dot(pen, hit.px, hit.py, nearest ? 3.5 : 2.25);
  }
}

export function drawCrosshair(sheet: Sheet, hits: readonly Hit[]): void {
  drawUpright(sheet, hits[0].px, sheet.ink.label);
  drawDots(sheet, hits, hits[0]);
}

const LABELS = 4;
const LABEL_PX = 11;

/** The values that get a label where another chart is pointed at: the lead's first, none over another. */
export function labelled(hits: readonly Hit[], lead: string, top: number, bottom: number): Hit[] {
  const seen = hits.filter(({ py }) => py >= top && py <= bottom);
  const first = seen.filter(({ trace }) => trace.name === lead);
  const chosen: Hit[] = [];
  for (const hit of [...first, ...seen.filter((hit) => !first.includes(hit))]) {
    if (chosen.length === LABELS) break;
    if (chosen.every((other) => Math.abs(other.py - hit.py) > LABEL_PX + 3)) chosen.push(hit);
  }
  return chosen;
}

/** What a chart shows while another one is pointed at: the line, the points, and some values. */
export function drawEcho(sheet: Sheet, pixel: number, hits: readonly Hit[], lead: string): void {
  const { pen, ink, sx, sy } = sheet;
  drawUpright(sheet, pixel, ink.axis);
  drawDots(sheet, hits, undefined);
  pen.font = `${LABEL_PX}px ui-sans-serif, system-ui, sans-serif`;
  const leftwards = pixel > (sx.r0 + sx.r1) / 2;
  pen.textAlign = leftwards ? "right" : "left";
  for (const { trace, index, px, py } of labelled(hits, lead, sy.r1, sy.r0)) {
    const text = valueText(trace.line[index]);
    const width = pen.measureText(text).width;
    const at = px + (leftwards ? -7 : 7);
    pen.globalAlpha = 0.85;
    pen.fillStyle = ink.panel;
    pen.fillRect(leftwards ? at - width - 3 : at - 3, py - 8, width + 6, 15);
    pen.globalAlpha = 1;
    pen.fillStyle = trace.name === lead ? ink.text : ink.label;
    pen.fillText(text, at, py + 4);
  }
}
