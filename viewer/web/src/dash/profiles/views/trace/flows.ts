/** Arrows between an event and what it led to: calls to the work they launched, operations to their backward pass. */
import { boxOf } from "./hit";
import { briefName, type Scene } from "./paint";
import { timeText } from "./time";
import type { Brief, Told } from "./wire";

export interface Arrow {
  kind: "launch" | "backward";
  from: Brief;
  to: Brief;
  /** The end that is not looked at. */
  other: Brief;
}

/** A place that leads to an end of an arrow: the end itself, or where it is beyond what is seen, a label at the edge. */
export interface Target {
  x: number;
  y: number;
  width: number;
  height: number;
  other: Brief;
  label: boolean;
}

const MOST_LAUNCHED = 40;
/** More of a module or a step would be a tangle: the panel lists them. */
const MOST_BACKWARD = 16;
const MOST_LABELS = 6;
const LABEL_HEIGHT = 18;
/** So many pixels beside an end are still on it. */
const NEAR = 4;

export function arrowsOf(told: Told): Arrow[] {
  const launches = told.launcher ? [{ kind: "launch" as const, from: told.launcher, to: told, other: told.launcher }] : told.launched.first.slice(0, MOST_LAUNCHED).map((work) => ({ kind: "launch" as const, from: told, to: work, other: work }));
  const { forward, backward } = told;
  const back: Arrow[] = backward.count > MOST_BACKWARD ? [] : backward.first.map((one) => ({ kind: "backward", from: one.of, to: one, other: one }));
  if (forward) back.push({ kind: "backward", from: forward, to: forward.of, other: forward });
  return [...launches, ...back];
}

/** Where `b` leads: from the backward pass to the forward pass, and back. */
export const acrossFrom = (told: Told): Brief | null => told.forward ?? told.backward.first.at(0) ?? null;

interface Point {
  x: number;
  y: number;
}

/** Draws them, and tells where a click leads to another end. */
export function paintArrows(context: CanvasRenderingContext2D, scene: Scene, told: Told): Target[] {
  const arrows = arrowsOf(told);
  const targets: Target[] = [];
  const { paper } = scene;
  context.save();
  context.font = `11px ${paper.font}`;
  for (const arrow of arrows) {
    const [a, b] = [boxOf(scene, arrow.from), boxOf(scene, arrow.to)];
    if (!a || !b) continue;
    // A call begins what it launches somewhere within itself; a backward pass begins when the forward pass is over.
    const start = { x: arrow.kind === "launch" ? Math.max(a.x, Math.min(a.x + a.width, b.x)) : a.x + a.width, y: a.y + a.height / 2 };
    const end = { x: b.x, y: b.y + b.height / 2 };
    const style = arrow.kind === "launch" ? paper.accent : paper.ink;
    const [from, to] = [within(scene, start), within(scene, end)];
    const away = arrow.other === arrow.from ? start : end;
    const shown = arrow.other === arrow.from ? from : to;
    const seen = shown.x === away.x && shown.y === away.y;
    context.globalAlpha = arrows.length > 8 ? 0.6 : 1;
    curve(context, { from, to, style, dashed: arrow.kind === "backward", halo: arrows.length > 8 ? null : paper.bg });
    if (seen) {
      const box = arrow.other === arrow.from ? a : b;
      context.strokeStyle = style;
      context.lineWidth = 1;
      context.strokeRect(Math.max(box.x, scene.side - 4) - 0.5, box.y - 0.5, Math.max(2, Math.min(box.width, scene.width - box.x + 8)) + 1, box.height + 1);
      targets.push({ ...box, other: arrow.other, label: false });
    } else if (targets.filter(({ label }) => label).length < MOST_LABELS) {
      const target = labelAt(context, scene, shown, arrow.other, told);
      if (targets.every((one) => !one.label || apart(one, target))) targets.push(target);
    }
  }
  context.globalAlpha = 1;
  for (const target of targets) if (target.label) write(context, scene, target, told);
  context.restore();
  return targets;
}

/** What a click at a place leads to. */
export function targetAt(targets: readonly Target[], x: number, y: number): Target | null {
  const on = ({ x: left, y: top, width, height, label }: Target): boolean => x >= left - (label ? 0 : NEAR) && x <= left + width + (label ? 0 : NEAR) && y >= top && y <= top + height;
  return targets.find((one) => one.label && on(one)) ?? targets.find(on) ?? null;
}

/** The nearest place that is seen. */
function within({ side, width, height }: Scene, { x, y }: Point): Point {
  return { x: Math.max(side + 8, Math.min(width - 8, x)), y: Math.max(10, Math.min(height - 10, y)) };
}

function curve(context: CanvasRenderingContext2D, { from, to, style, dashed, halo }: { from: Point; to: Point; style: string; dashed: boolean; halo: string | null }): void {
  const bend = Math.min(90, Math.max(14, Math.abs(to.x - from.x) / 2));
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x - 5, to.y);
  if (halo) {
    context.strokeStyle = halo;
    context.lineWidth = 4;
    context.stroke();
  }
  context.strokeStyle = context.fillStyle = style;
  context.lineWidth = 1.4;
  context.setLineDash(dashed ? [5, 3] : []);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  context.moveTo(to.x, to.y);
  context.lineTo(to.x - 6, to.y - 3.5);
  context.lineTo(to.x - 6, to.y + 3.5);
  context.fill();
}

function textOf(other: Brief, told: Brief): string {
  const off = other.start - told.start;
  const name = briefName(other.name);
  return `${name.length > 40 ? `${name.slice(0, 39)}…` : name} · ${timeText(Math.abs(off) / 1e3)} ${off < 0 ? "before" : "later"}`;
}

function labelAt(context: CanvasRenderingContext2D, { side, width, height }: Scene, at: Point, other: Brief, told: Brief): Target {
  const wide = Math.min(width - side - 16, context.measureText(textOf(other, told)).width + 14);
  // Beside the tip, at the height of what it leads to.
  const x = Math.max(side + 8, Math.min(width - 8 - wide, at.x < (side + width) / 2 ? at.x + 10 : at.x - 14 - wide));
  const y = Math.max(2, Math.min(height - LABEL_HEIGHT - 2, at.y - LABEL_HEIGHT / 2));
  return { x, y, width: wide, height: LABEL_HEIGHT, other, label: true };
}

const apart = (a: Target, b: Target): boolean => a.x + a.width < b.x || b.x + b.width < a.x || a.y + a.height < b.y || b.y + b.height < a.y;

function write(context: CanvasRenderingContext2D, { paper }: Scene, target: Target, told: Brief): void {
  const { x, y, width, height, other } = target;
  context.fillStyle = paper.panel;
  context.strokeStyle = paper.edge;
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(Math.round(x) + 0.5, Math.round(y) + 0.5, width, height, 4);
  context.fill();
  context.stroke();
  context.save();
  context.clip();
  context.fillStyle = paper.ink;
  context.textBaseline = "middle";
  context.fillText(textOf(other, told), x + 7, y + height / 2 + 1);
  context.restore();
}
