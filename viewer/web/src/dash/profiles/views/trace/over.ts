/** Draws what lies over the spans: what is selected, pointed at, looked at, and what led to what. */
import { paintArrows, type Target } from "./flows";
import { boxOf, xOf, type Hit } from "./hit";
import type { Scene } from "./paint";
import type { Range } from "./settings";
import type { Told } from "./wire";

export interface Over {
  scene: Scene;
  told: Told | null;
  hovered: Hit | null;
  range: Range | null;
  /** Where the pointer is. */
  x: number | null;
}

/** Draws it, and tells where a click leads to another end of an arrow. */
export function paintOver(context: CanvasRenderingContext2D, { scene, told, hovered, range, x }: Over): readonly Target[] {
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
  if (told) outline(context, scene, told, paper.accent, 2);
  const targets = told ? paintArrows(context, scene, told) : [];
  context.restore();
  return targets;
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
