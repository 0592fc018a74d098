/** A scene on its way from the worker: a few large arrays, which are handed over, in place of a dozen for each namespace. */
import type { Frame, Scene } from "./scene";

export interface Parcel {
  width: number;
  height: number;
  loose: Int32Array;
  /** Of each frame: id, x, y, width, height, how many stand aside; children, edges, targets, numbers of its curves. */
  heads: Float64Array;
  ints: Int32Array;
  floats: Float32Array;
  amounts: Float64Array;
  flags: Uint8Array;
  shapes: readonly string[];
}

const HEAD = 10;

class Ints {
  #at = 0;
  constructor(readonly all: Int32Array) {}

  put(values: Int32Array): void {
    this.all.set(values, this.#at);
    this.#at += values.length;
  }

  take(many: number): Int32Array {
    return this.all.subarray(this.#at, (this.#at += many));
  }
}

class Floats {
  #at = 0;
  constructor(readonly all: Float32Array) {}

  put(values: Float32Array): void {
    this.all.set(values, this.#at);
    this.#at += values.length;
  }

  take(many: number): Float32Array {
    return this.all.subarray(this.#at, (this.#at += many));
  }
}

export function sent({ frames, width, height, loose }: Scene): Parcel {
  const heads = new Float64Array(HEAD * frames.length);
  let [children, edges, targets, numbers] = [0, 0, 0, 0];
  frames.forEach((frame, i) => {
    const counts = [frame.children.length, frame.source.length, frame.targets.length, frame.curves.length];
    heads.set([frame.id, frame.x, frame.y, frame.width, frame.height, frame.aside, ...counts], HEAD * i);
    [children, edges, targets, numbers] = [children + counts[0], edges + counts[1], targets + counts[2], numbers + counts[3]];
  });
  // Of children themselves; of edges source, shape and how many tensors, and with one more of each frame, ends and starts.
  const ints = new Ints(new Int32Array(children + 5 * edges + 2 * frames.length + targets));
  const floats = new Floats(new Float32Array(4 * children + numbers));
  const amounts = new Float64Array(edges);
  const flags = new Uint8Array(2 * edges);
  const shapes = new Map<string, number>();
  const named = (shape: string): number => shapes.get(shape) ?? (shapes.set(shape, shapes.size), shapes.size - 1);
  let edge = 0;
  for (const frame of frames) {
    ints.put(frame.children);
    ints.put(frame.source);
    ints.put(frame.tensors);
    ints.put(Int32Array.from(frame.shape, named));
    ints.put(frame.ends);
    ints.put(frame.starts);
    ints.put(frame.targets);
    floats.put(frame.boxes);
    floats.put(frame.curves);
    amounts.set(frame.amount, edge);
    flags.set(frame.control, 2 * edge);
    flags.set(frame.arrow, 2 * edge + frame.source.length);
    edge += frame.source.length;
  }
  return { width, height, loose, heads, ints: ints.all, floats: floats.all, amounts, flags, shapes: [...shapes.keys()] };
}

/** What is handed over. */
export function handed({ loose, heads, ints, floats, amounts, flags }: Parcel): Transferable[] {
  return [loose, heads, ints, floats, amounts, flags].map(({ buffer }) => buffer as ArrayBuffer);
}

export function received({ width, height, loose, heads, ints, floats, amounts, flags, shapes }: Parcel): Scene {
  const [whole, real] = [new Ints(ints), new Floats(floats)];
  let edge = 0;
  const frames = Array.from({ length: heads.length / HEAD }, (_, i): Frame => {
    const [id, x, y, wide, high, aside, children, edges, targets, numbers] = heads.subarray(HEAD * i, HEAD * (i + 1));
    const from = edge;
    edge += edges;
    return {
      ...{ id, x, y, width: wide, height: high, aside },
      children: whole.take(children),
      source: whole.take(edges),
      tensors: whole.take(edges),
      shape: Array.from(whole.take(edges), (one) => shapes[one]),
      ends: whole.take(edges + 1),
      starts: whole.take(edges + 1),
      targets: whole.take(targets),
      boxes: real.take(4 * children),
      curves: real.take(numbers),
      amount: amounts.subarray(from, edge),
      control: flags.subarray(2 * from, 2 * from + edges),
      arrow: flags.subarray(2 * from + edges, 2 * edge),
    };
  });
  return { frames, width, height, loose };
}
