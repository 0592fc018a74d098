/** Draws what lies over the spans: what is selected, pointed at, looked at, and what launched what. */
import { boxOf, xOf, type Hit } from "./hit";
import type { Scene } from "./paint";
import type { Range } from "./settings";
import type { Told } from "./wire";

const MOST_ARROWS = 40;

export interface Over {
  scene: Scene;
  told: Told | null;
  hovered: Hit | null;
  range: Range | null;
  /** Where the pointer is. */
  x: number | null;
}

export function paintOver(context: CanvasRenderingContext2D, { scene, told, hovered, range, x }: Over): void {
  const { width, height, side, paper } = scene;
  context.clearRect(0, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(side, 0, width - side, height);
  context.clip();
  if (range) shade(context, scene, range);
  if (x !== null && x >= side) {
    context.fillStyle = paper.edge;
    context.fillRect(Math.round(x), 0, 1, height);
  }
  if (hovered) outline(context, scene, { ...hovered, track: hovered.track.track }, paper.ink2, 1);
  if (told) {
    arrows(context, scene, told);
    outline(context, scene, told, paper.accent, 2);
  }
  context.restore();
}

function shade(context: CanvasRenderingContext2D, scene: Scene, range: Range): void {
  const { paper, height, top, rows } = scene;
  const [low, high] = [xOf(scene, range.low), xOf(scene, range.high)];
  const chosen = range.tracks.flatMap((track) => rows.ofTrack.get(track) ?? []);
  const parts = range.tracks.length === 0 ? [{ y: top, height }] : chosen;
  context.fillStyle = paper.accent;
  for (const { y, height: tall } of parts) {
    context.globalAlpha = 0.13;
    context.fillRect(low, y - top, high - low, tall);
    context.globalAlpha = 1;
    context.fillRect(Math.round(low), y - top, 1, tall);
    context.fillRect(Math.round(high), y - top, 1, tall);
  }
}

function outline(context: CanvasRenderingContext2D, scene: Scene, one: { track: number; lane: number; start: number; end: number }, style: string, width: number): void {
  const box = boxOf(scene, one);
  if (!box) return;
  // What is far outside is cut: nothing draws a frame of a million pixels.
  const left = Math.max(box.x, scene.side - 10);
  const right = Math.min(box.x + box.width, scene.width + 10);
  if (right < left) return;
  context.strokeStyle = style;
  context.lineWidth = width;
  context.strokeRect(left - 0.5, box.y - 0.5, Math.max(2, right - left + 1), box.height + 1);
}

function arrows(context: CanvasRenderingContext2D, scene: Scene, told: Told): void {
  const pairs = told.launcher ? [[told.launcher, told] as const] : told.launched.first.slice(0, MOST_ARROWS).map((work) => [told, work] as const);
  context.strokeStyle = context.fillStyle = scene.paper.accent;
  context.lineWidth = 1.2;
  context.globalAlpha = pairs.length > 8 ? 0.55 : 0.9;
  for (const [from, to] of pairs) {
    const [a, b] = [boxOf(scene, from), boxOf(scene, to)];
    if (!a || !b) continue;
    // A call begins what it launches somewhere within itself.
    const [x0, y0] = [Math.max(a.x, Math.min(a.x + a.width, b.x)), a.y + a.height / 2];
    const [x1, y1] = [b.x, b.y + b.height / 2];
    if (Math.max(x0, x1) < scene.side - 50 || Math.min(x0, x1) > scene.width + 50 || Math.abs(x1 - x0) > 1e5) continue;
    const bend = Math.min(70, Math.max(14, Math.abs(x1 - x0) / 2));
    context.beginPath();
    context.moveTo(x0, y0);
    context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1 - 5, y1);
    context.stroke();
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x1 - 6, y1 - 3.5);
    context.lineTo(x1 - 6, y1 + 3.5);
    context.fill();
  }
  context.globalAlpha = 1;
}
