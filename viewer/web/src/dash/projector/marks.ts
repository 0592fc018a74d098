/** What is drawn over the points: rings, names, an outline being dragged. */
import type { Ink } from "../../chart/ink";
import { Room, type Outline } from "./places";

export interface Marked {
  x: number;
  y: number;
  text: string;
  /** Rings of the chosen point are stronger than those of others; 0 draws none. */
  ring: 0 | 1 | 2;
  /** Drawn whatever lies there already. */
  sure: boolean;
}

const LONGEST = 48;
const FONT = "11px ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

function shortened(text: string): string {
  const plain = text.replace(/\s+/g, " ");
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST - 1)}…` : plain;
}

/** @returns how many names found room. */
export function drawMarks(context: CanvasRenderingContext2D, marks: readonly Marked[], radius: number, width: number, height: number, ink: Ink): number {
  const room = new Room();
  let named = 0;
  context.font = FONT;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const { x, y, ring } of marks) {
    if (ring === 0) continue;
    context.beginPath();
    context.arc(x, y, radius + (ring === 2 ? 4 : 2.5), 0, 2 * Math.PI);
    context.strokeStyle = ring === 2 ? ink.accent : ink.text;
    context.lineWidth = ring === 2 ? 2 : 1;
    context.stroke();
  }
  for (const { x, y, text, sure } of marks) {
    if (!text || x < 0 || y < 0 || x > width || y > height) continue;
    const name = shortened(text);
    const wide = context.measureText(name).width;
    const left = x + radius + 5 + wide > width ? x - radius - 5 - wide : x + radius + 5;
    if (!room.take(left - 2, y - 7, wide + 4, 14) && !sure) continue;
    named++;
    context.lineWidth = 3;
    context.strokeStyle = ink.panel;
    context.strokeText(name, left, y);
    context.fillStyle = ink.text;
    context.fillText(name, left, y);
  }
  return named;
}

export function drawOutline(context: CanvasRenderingContext2D, outline: Outline, ink: Ink): void {
  if (outline.length < 2) return;
  context.beginPath();
  const [first, second] = outline;
  if (outline.length === 2) context.rect(first[0], first[1], second[0] - first[0], second[1] - first[1]);
  else for (const [x, y] of outline) context.lineTo(x, y);
  context.closePath();
  context.globalAlpha = 0.12;
  context.fillStyle = ink.accent;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.strokeStyle = ink.accent;
  context.stroke();
}

/** The three axes through the middle of the points; `place` takes a point to the screen, null behind the eye. */
export function drawAxes(
  context: CanvasRenderingContext2D,
  place: (x: number, y: number, z: number) => readonly [number, number] | null,
  names: readonly string[],
  width: number,
  ink: Ink,
): void {
  const ends = [
    [1.05, 0, 0],
    [0, 1.05, 0],
    [0, 0, 1.05],
  ];
  context.font = FONT;
  context.textBaseline = "middle";
  names.forEach((name, k) => {
    const [x, y, z] = ends[k];
    const [from, to] = [place(-x, -y, -z), place(x, y, z)];
    if (!from || !to) return;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.lineWidth = 1;
    context.strokeStyle = ink.grid;
    context.stroke();
    context.fillStyle = ink.label;
    const text = shortened(name);
    const wide = context.measureText(text).width;
    // Beside the end of the line, and over it where there is no room.
    const beside = to[0] + 4 + wide <= width;
    context.fillText(text, beside ? to[0] + 4 : Math.max(4, width - wide - 6), beside ? to[1] : to[1] - 10);
  });
}
