/** What is under a point. */
import { curveLevel, firstEnding, type Scene } from "./paint";
import { laneAt, laneBox, rowAt, type TrackRow } from "./rows";
import { UNNAMED, type CounterAbout, type Level } from "./wire";

export interface Hit {
  track: TrackRow;
  lane: number;
  /** Nanoseconds. */
  start: number;
  end: number;
  kind: number;
  /** Of one event; -1 of a block. */
  row: number;
  name: string;
  /** Of how many events. */
  count: number;
  /** How much of its time is covered. */
  share: number;
}

/** So many pixels beside a thing are still on it. */
const NEAR = 3;

export const timeAt = (scene: Pick<Scene, "span" | "side" | "width">, x: number): number =>
  scene.span.low + ((x - scene.side) / Math.max(1, scene.width - scene.side)) * (scene.span.high - scene.span.low);

export const xOf = (scene: Pick<Scene, "span" | "side" | "width">, time: number): number =>
  scene.side + ((time - scene.span.low) / (scene.span.high - scene.span.low)) * (scene.width - scene.side);

export function hitAt(scene: Scene, x: number, y: number): Hit | null {
  const row = rowAt(scene.rows, y + scene.top);
  if (row?.kind !== "track" || x < scene.side) return null;
  const lane = laneAt(row, y + scene.top);
  const level = scene.levels.best(row.track, scene.span, scene.pixels, scene.search);
  const items = level?.lanes.get(row.track)?.get(lane);
  if (!level || !items) return null;
  const time = timeAt(scene, x) - level.from;
  const near = ((scene.span.high - scene.span.low) / Math.max(1, scene.width - scene.side)) * NEAR;
  const span = nearest(level.spans.start, level.spans.end, items.spans, time, near);
  const block = nearest(level.blocks.start, level.blocks.end, items.blocks, time, near);
  if (span && (!block || span.off <= block.off)) return spanHit(level, row, lane, span.at);
  return block ? blockHit(level, row, lane, block.at) : null;
}

/** A curve at a time. */
export interface Reading {
  counter: CounterAbout;
  time: number;
  least: number;
  most: number;
}

export function readAt(scene: Scene, x: number, y: number): Reading | null {
  const row = rowAt(scene.rows, y + scene.top);
  if (row?.kind !== "counter" || x < scene.side) return null;
  const level = curveLevel(scene.levels, row.counter.id, scene.span, scene.outline);
  const curve = level?.counters.get(row.counter.id);
  if (!level || !curve) return null;
  const time = timeAt(scene, x);
  const at = Math.floor(((time - level.from) / (level.to - level.from)) * curve.most.length);
  if (!(curve.most[at] >= curve.least[at])) return null;
  return { counter: row.counter, time, least: curve.least[at], most: curve.most[at] };
}

function nearest(start: Float32Array, end: Float32Array, [lo, hi]: readonly [number, number], time: number, near: number): { at: number; off: number } | null {
  const first = firstEnding(end, lo, hi, time);
  let found: { at: number; off: number } | null = null;
  for (const at of [first - 1, first]) {
    if (at < lo || at >= hi) continue;
    const off = Math.max(0, start[at] - time, time - end[at]);
    if (off <= near && (!found || off < found.off)) found = { at, off };
  }
  return found;
}

function spanHit({ from, spans, names }: Level, track: TrackRow, lane: number, at: number): Hit {
  const name = spans.name[at];
  return { track, lane, start: from + spans.start[at], end: from + spans.end[at], kind: spans.kind[at] & 127, row: spans.row[at], name: name === UNNAMED ? "" : names[name], count: 1, share: 1 };
}

function blockHit({ from, blocks }: Level, track: TrackRow, lane: number, at: number): Hit {
  return { track, lane, start: from + blocks.start[at], end: from + blocks.end[at], kind: blocks.kind[at] & 127, row: -1, name: "", count: blocks.count[at], share: blocks.share[at] / 255 };
}

/** Where an event is drawn, on the screen; of a folded group its head. Null where its track is not known yet. */
export function boxOf(scene: Scene, one: { track: number; lane: number; start: number; end: number }): { x: number; y: number; width: number; height: number } | null {
  const row = scene.rows.ofTrack.get(one.track);
  if (!row) return null;
  const { y, height } = laneBox(row, one.lane);
  const [x, end] = [xOf(scene, one.start), xOf(scene, one.end)];
  return { x, y: y - scene.top, width: Math.max(1, end - x), height: height - (row.folded ? 1 : 2) };
}
