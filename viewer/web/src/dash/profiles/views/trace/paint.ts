/** Draws what a window of time shows of tracks. */
import type { Span } from "./camera";
import { shadeOf, SHARES, type Fill, type Paper } from "./colours";
import type { Levels } from "./levels";
import { laneBox, within, type CounterRow, type Rows, type TrackRow } from "./rows";
import { FOUND, UNNAMED, type Lane, type Level, type Outline } from "./wire";

export interface Scene {
  width: number;
  height: number;
  /** Where time begins, from the left edge. */
  side: number;
  /** How far it is scrolled down. */
  top: number;
  span: Span;
  rows: Rows;
  levels: Levels;
  search: string;
  outline: Outline;
  fills: readonly Fill[];
  paper: Paper;
  /** How many pixels a window is asked for. */
  pixels: number;
}

/** Narrower spans have no room for a letter. */
const LEAST_LABEL = 22;
const MOST_LABELS = 1_200;
const FONT_PX = 11;

const shades = new WeakMap<Level, Uint8Array>();
function shadesOf(level: Level): Uint8Array {
  let found = shades.get(level);
  if (!found) shades.set(level, (found = Uint8Array.from(level.names, shadeOf)));
  return found;
}

/** What of a name tells it from others: no return type, no parameters, no directories of a file. */
export function briefName(name: string): string {
  const plain = name.replace(/^void |^\$?[/\w.-]*\/(?=[\w.-]+\.py\b)/, "");
  const end = plain.search(/[<(]/);
  return end > 12 && plain.length > 40 ? plain.slice(0, end) : plain;
}

/** The first of a lane's items that ends after a time. */
export function firstEnding(end: Float32Array, lo: number, hi: number, time: number): number {
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (end[mid] <= time) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** Widths of texts, so that each is measured once. */
export class Measured {
  #widths = new Map<string, number>();

  of(context: CanvasRenderingContext2D, text: string): number {
    let width = this.#widths.get(text);
    if (width === undefined) {
      if (this.#widths.size > 20_000) this.#widths.clear();
      this.#widths.set(text, (width = context.measureText(text).width));
    }
    return width;
  }

  /** As much of a text as there is room for, "" for none of it. */
  fitting(context: CanvasRenderingContext2D, text: string, room: number): string {
    const width = this.of(context, text);
    if (width <= room) return text;
    const letters = Math.floor((text.length * (room - 8)) / width);
    return letters < 2 ? "" : `${text.slice(0, letters)}…`;
  }
}

/** The finest answer that has a curve for all of a window; else any that has it. */
export function curveLevel(levels: Levels, id: string, span: Span, whole: Span): Level | null {
  const held = levels.all.filter(({ level }) => level.counters.has(id));
  const [low, high] = [Math.max(span.low, whole.low), Math.min(span.high, whole.high)];
  const covering = held.filter(({ level }) => level.from <= low && level.to >= high);
  return (covering.length > 0 ? covering : held).reduce<Level | null>((best, { level: one }) => (!best || one.to - one.from < best.to - best.from ? one : best), null);
}

export class Painter {
  readonly #context: CanvasRenderingContext2D;
  readonly #scene: Scene;
  readonly #measured: Measured;
  readonly #scale: number;
  #labels: [x: number, y: number, room: number, text: string, tone: 0 | 1 | 2][] = [];
  #style = "";
  /** Spans and blocks that were drawn. */
  drawn = 0;

  constructor(context: CanvasRenderingContext2D, scene: Scene, measured: Measured) {
    this.#context = context;
    this.#scene = scene;
    this.#measured = measured;
    this.#scale = (scene.width - scene.side) / (scene.span.high - scene.span.low);
  }

  paint(): void {
    const { width, height, side, top, rows, paper } = this.#scene;
    const context = this.#context;
    context.fillStyle = paper.bg;
    context.fillRect(0, 0, width, height);
    const visible = within(rows, top, top + height);
    for (const row of visible) {
      if (row.kind !== "group") continue;
      context.fillStyle = paper.raise;
      context.fillRect(0, row.y - top, width, row.height);
    }
    this.#steps();
    context.save();
    context.beginPath();
    context.rect(side, 0, width - side, height);
    context.clip();
    for (const row of visible) {
      if (row.kind === "track") this.#track(row);
      else if (row.kind === "counter") this.#counter(row);
    }
    this.#write();
    context.restore();
    context.fillStyle = paper.line;
    for (const row of visible) context.fillRect(0, Math.round(row.y - top + row.height) - 1, width, 1);
    if (side > 0) context.fillRect(side - 1, 0, 1, height);
  }

  #fill(style: string): void {
    if (style === this.#style) return;
    this.#context.fillStyle = this.#style = style;
  }

  /** Every other step has another ground, and a line where it begins. */
  #steps(): void {
    const { outline, paper, side, width, height, span } = this.#scene;
    const { start, end } = outline.steps;
    const every = start.length > 0 ? ((end[end.length - 1] - start[0]) / start.length) * this.#scale : 0;
    if (every < 4) return;
    const x = (time: number): number => Math.max(side, Math.min(width, side + (time - span.low) * this.#scale));
    for (let i = 0; i < start.length; i++) {
      const [low, high] = [x(start[i]), x(end[i])];
      if (high <= side || low >= width) continue;
      if (i % 2 === 1) {
        this.#context.globalAlpha = 0.55;
        this.#context.fillStyle = paper.raise;
        this.#context.fillRect(low, 0, high - low, height);
        this.#context.globalAlpha = 1;
      }
      this.#context.fillStyle = paper.edge;
      if (low > side) this.#context.fillRect(Math.round(low), 0, 1, height);
    }
  }

  #track(row: TrackRow): void {
    const { levels, span, pixels, search, top, height } = this.#scene;
    const level = levels.best(row.track, span, pixels, search);
    const lanes = level?.lanes.get(row.track);
    if (!level || !lanes) return;
    for (let at = 0; at < row.shown; at++) {
      const box = laneBox(row, at);
      const lane = lanes.get(at);
      if (lane && box.y + box.height > top && box.y < top + height) this.#lane(level, lane, Math.round(box.y - top), box.height, row.folded);
    }
  }

  #lane(level: Level, { spans, blocks }: Lane, y: number, tall: number, folded: boolean): void {
    const { side, width, span, fills, search } = this.#scene;
    const scale = this.#scale;
    const off = level.from - span.low;
    const left = side - 1;
    const right = width + 1;
    const high = folded ? tall - 1 : tall - 2;
    const part = level.blocks;
    for (let i = firstEnding(part.end, blocks[0], blocks[1], -off - 1); i < blocks[1]; i++) {
      const x = side + (part.start[i] + off) * scale;
      if (x > right) break;
      const end = Math.min(right, side + (part.end[i] + off) * scale);
      const begin = Math.max(left, x);
      const fill = fills[part.kind[i] & 127];
      const share = Math.min(SHARES - 1, Math.floor((part.share[i] * SHARES) / 256));
      this.#fill(search === "" ? fill.block[share] : part.kind[i] & FOUND ? fill.hit : fill.dim);
      const from = Math.floor(begin);
      this.#context.fillRect(from, y, Math.max(1, Math.round(end) - from), high);
      this.drawn++;
    }
    const own = level.spans;
    const shade = shadesOf(level);
    for (let i = firstEnding(own.end, spans[0], spans[1], -off - 1 / scale); i < spans[1]; i++) {
      const x = side + (own.start[i] + off) * scale;
      if (x > right) break;
      const begin = Math.round(Math.max(left, x));
      const end = Math.round(Math.min(right, side + (own.end[i] + off) * scale));
      const wide = Math.max(1, end - begin > 3 ? end - begin - 1 : end - begin);
      const name = own.name[i];
      const fill = fills[own.kind[i] & 127];
      this.#fill(search === "" ? fill.span[name === UNNAMED ? 1 : shade[name]] : own.kind[i] & FOUND ? fill.hit : fill.dim);
      this.#context.fillRect(begin, y, wide, high);
      this.drawn++;
      if (!folded && wide > LEAST_LABEL && name !== UNNAMED && this.#labels.length < MOST_LABELS) this.#labels.push([begin, y, wide, level.names[name], search === "" ? 0 : own.kind[i] & FOUND ? 2 : 1]);
    }
  }

  #write(): void {
    const context = this.#context;
    const { paper, side } = this.#scene;
    context.font = `${FONT_PX}px ${paper.font}`;
    context.textBaseline = "middle";
    const tones = [paper.ink, paper.ink3, paper.dark ? paper.bg : paper.ink];
    for (const [begin, y, wide, name, tone] of this.#labels) {
      context.fillStyle = tones[tone];
      const x = Math.max(begin, side) + 4;
      const room = begin + wide - x - 3;
      const text = room > 8 ? this.#measured.fitting(context, briefName(name), room) : "";
      if (text) context.fillText(text, x, y + 8.5);
    }
  }

  #counter(row: CounterRow): void {
    const { levels, span, outline, fills, top, side, width, paper } = this.#scene;
    const { id, unit, most } = row.counter;
    const level = curveLevel(levels, id, span, outline);
    const curve = level?.counters.get(id);
    if (!level || !curve) return;
    const context = this.#context;
    const n = curve.most.length;
    const scale = this.#scale;
    const bin = (level.to - level.from) / n;
    const base = row.y - top + row.height - 4;
    const tall = row.height - 9;
    const whole = unit === "share" ? 1 : Math.max(most, 1);
    const at = (value: number): number => base - Math.max(0, Math.min(1, value / whole)) * tall;
    const fill = fills[unit === "share" ? outline.kinds.indexOf("kernel") : outline.kinds.indexOf("module")];
    context.beginPath();
    let [begun, last] = [false, 0];
    for (let i = 0; i < n; i++) {
      const x = side + (level.from + i * bin - span.low) * scale;
      const end = x + bin * scale;
      if (end < side || x > width || Number.isNaN(curve.most[i])) continue;
      if (!begun) context.moveTo(x, base);
      begun = true;
      const y = at(curve.most[i]);
      context.lineTo(x, y);
      context.lineTo(end, y);
      last = end;
    }
    if (!begun) return;
    context.lineTo(last, base);
    context.closePath();
    context.fillStyle = fill.span[1];
    context.fill();
    context.fillStyle = paper.edge;
    context.fillRect(side, base, width - side, 1);
    this.#style = "";
  }
}
