/** A scene as the page holds it: what is found at a place, and where things are. */
import type { Model } from "./model";
import type { Frame, Scene } from "./scene";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Edges of a frame that are drawn alike, by thickness; those for control by themselves. */
export interface Strokes {
  width: number;
  control: boolean;
  edges: number[];
}

/** How thick an edge is for what it carries, in pixels. */
export function thickness(amount: number): number {
  return amount <= 0 ? 1 : Math.min(6, Math.round(2 * (1 + 0.5 * Math.log10(amount))) / 2);
}

export class Picture {
  /** Left, top, width and height of each thing that is to be seen; NaN of others. */
  readonly #boxes: Float32Array;
  readonly frames: ReadonlyMap<number, Frame>;
  readonly asides: ReadonlySet<number>;
  readonly #strokes = new Map<number, readonly Strokes[]>();
  readonly #bounds = new Map<number, Float32Array>();
  /** Of edges that are not drawn: what the others are, by either end. */
  readonly loose: ReadonlyMap<number, readonly number[]>;

  constructor(
    readonly model: Model,
    readonly scene: Scene,
  ) {
    this.#boxes = new Float32Array(4 * model.count).fill(NaN);
    this.frames = new Map(scene.frames.map((frame) => [frame.id, frame]));
    this.#boxes.set([0, 0, scene.width, scene.height], 4 * model.root);
    const asides = new Set<number>();
    for (const { children, boxes, x, y, aside } of scene.frames) {
      children.forEach((child, i) => {
        this.#boxes.set([x + boxes[4 * i], y + boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]], 4 * child);
        if (i >= children.length - aside) asides.add(child);
      });
    }
    this.asides = asides;
    const loose = new Map<number, number[]>();
    const add = (a: number, b: number): void => void (loose.get(a)?.push(b) ?? loose.set(a, [b]));
    for (let i = 0; i < scene.loose.length; i += 2) {
      add(scene.loose[i], scene.loose[i + 1]);
      add(scene.loose[i + 1], scene.loose[i]);
    }
    this.loose = loose;
  }

  /** How the edges of a frame are drawn; found when it first is, as most of a large graph are too small to be. */
  strokes(frame: Frame): readonly Strokes[] {
    let found = this.#strokes.get(frame.id);
    if (!found) this.#strokes.set(frame.id, (found = strokesOf(frame)));
    return found;
  }

  /** Of each edge of a frame, where its left, top, right and bottom ends are in there. */
  bounds(frame: Frame): Float32Array {
    let found = this.#bounds.get(frame.id);
    if (!found) this.#bounds.set(frame.id, (found = boundsOf(frame)));
    return found;
  }

  box(id: number): Box | null {
    const [x, y, width, height] = this.#boxes.subarray(4 * id, 4 * id + 4);
    return Number.isNaN(x) ? null : { x, y, width, height };
  }

  isOpen(id: number): boolean {
    return this.frames.has(id);
  }

  /** What is seen of a thing: itself, or the closed namespace that it is in. */
  seen(id: number): number {
    let at = id;
    while (at !== this.model.root && Number.isNaN(this.#boxes[4 * at])) at = this.model.parent[at];
    return at;
  }

  /** The innermost thing at a place, -1 for none. */
  at(x: number, y: number): number {
    let found = -1;
    for (let frame = this.frames.get(this.model.root); frame; ) {
      const { children, boxes } = frame;
      let inner = -1;
      for (let i = 0; i < children.length; i++) {
        const [left, top] = [frame.x + boxes[4 * i], frame.y + boxes[4 * i + 1]];
        if (x >= left && y >= top && x <= left + boxes[4 * i + 2] && y <= top + boxes[4 * i + 3]) inner = children[i];
      }
      if (inner < 0) break;
      found = inner;
      frame = this.frames.get(inner);
    }
    return found;
  }

  /** The nearest thing in a direction, among those that are not open. */
  beside(id: number, dx: number, dy: number): number {
    const from = this.box(id);
    if (!from) return -1;
    const [x, y] = [from.x + from.width / 2, from.y + from.height / 2];
    let [best, least] = [-1, Infinity];
    for (const { children } of this.scene.frames) {
      for (const child of children) {
        const box = child === id || this.isOpen(child) ? null : this.box(child);
        if (!box) continue;
        const [across, down] = [box.x + box.width / 2 - x, box.y + box.height / 2 - y];
        const along = across * dx + down * dy;
        const off = Math.abs(across * dy) + Math.abs(down * dx);
        if (along > 4 && along + 3 * off < least) [best, least] = [child, along + 3 * off];
      }
    }
    return best;
  }
}

function boundsOf({ source, starts, curves }: Frame): Float32Array {
  const found = new Float32Array(4 * source.length);
  for (let e = 0; e < source.length; e++) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = starts[e]; i < starts[e + 1]; i += 2) {
      left = Math.min(left, curves[i]);
      right = Math.max(right, curves[i]);
      top = Math.min(top, curves[i + 1]);
      bottom = Math.max(bottom, curves[i + 1]);
    }
    found.set([left - 4, top - 4, right + 4, bottom + 4], 4 * e);
  }
  return found;
}

function strokesOf(frame: Frame): Strokes[] {
  const found = new Map<string, Strokes>();
  frame.source.forEach((_, e) => {
    const control = frame.control[e] === 1;
    const width = control ? 1 : thickness(frame.amount[e]);
    const key = `${width} ${control}`;
    const some = found.get(key);
    if (some) some.edges.push(e);
    else found.set(key, { width, control, edges: [e] });
  });
  return [...found.values()];
}
