import type { Node } from "./regex";

type Instruction =
  | { op: "one"; fits: (code: number) => boolean }
  | { op: "edge"; edge: string }
  | { op: "split"; to: [number, number] }
  | { op: "jump"; to: number }
  | { op: "mark"; slot: 0 | 1 }
  | { op: "end" };

/** The browser itself says which single characters fit, so classes and case are exactly its own. */
function fitting(source: string): (code: number) => boolean {
  const regex = new RegExp(`^(?:${source})$`, "i");
  const known = new Map<number, boolean>();
  return (code) => {
    let fits = known.get(code);
    if (fits === undefined) known.set(code, (fits = regex.test(String.fromCharCode(code))));
    return fits;
  };
}

function emit(node: Node, out: Instruction[]): void {
  if (node.kind === "one") out.push({ op: "one", fits: fitting(node.source) });
  else if (node.kind === "edge") out.push({ op: "edge", edge: node.edge });
  else if (node.kind === "all") for (const item of node.items) emit(item, out);
  else if (node.kind === "any") emitAny(node.items, out);
  else if (node.kind === "repeat") emitRepeat(node, out);
  else {
    if (node.index === 1) out.push({ op: "mark", slot: 0 });
    emit(node.item, out);
    if (node.index === 1) out.push({ op: "mark", slot: 1 });
  }
}

function emitAny(items: readonly Node[], out: Instruction[]): void {
  const ends: { op: "jump"; to: number }[] = [];
  items.forEach((item, i) => {
    if (i === items.length - 1) return emit(item, out);
    const split: Instruction = { op: "split", to: [out.length + 1, 0] };
    out.push(split);
    emit(item, out);
    const jump = { op: "jump" as const, to: 0 };
    ends.push(jump);
    out.push(jump);
    split.to[1] = out.length;
  });
  for (const jump of ends) jump.to = out.length;
}

function emitRepeat({ item, least, most, greedy }: Node & { kind: "repeat" }, out: Instruction[]): void {
  const optional = (again: boolean): void => {
    const start = out.length;
    const split: Instruction = { op: "split", to: [0, 0] };
    out.push(split);
    emit(item, out);
    if (again) out.push({ op: "jump", to: start });
    split.to = greedy ? [start + 1, out.length] : [out.length, start + 1];
  };
  for (let i = 0; i < least; i++) emit(item, out);
  if (most === Infinity) return optional(true);
  for (let i = least; i < most; i++) optional(false);
}

const WORD = /\w/;

function holds(edge: string, text: string, at: number): boolean {
  if (edge === "^") return at === 0;
  if (edge === "$") return at === text.length;
  const here = WORD.test(text[at - 1] ?? "") !== WORD.test(text[at] ?? "");
  return here === (edge === "\\b");
}

export interface Found {
  /** What the first group held: null when it took no part. */
  group: string | null;
}

/** Follows all alternatives side by side, those that the engine would try first in front. */
export class Machine {
  readonly #code: Instruction[] = [];
  #seen: Int32Array;
  #round = 0;

  constructor(root: Node) {
    emit(root, this.#code);
    this.#code.push({ op: "end" });
    this.#seen = new Int32Array(this.#code.length);
  }

  run(text: string): Found | null {
    let threads: [at: number, from: number, to: number][] = [];
    let found: Found | null = null;
    for (let at = 0; at <= text.length; at++) {
      const now: typeof threads = [];
      this.#round++;
      for (const [next, from, to] of threads) this.#add(now, next, from, to, text, at);
      if (!found) this.#add(now, 0, -1, -1, text, at);
      threads = [];
      for (const [pointer, from, to] of now) {
        const instruction = this.#code[pointer];
        if (instruction.op === "end") {
          found = { group: to >= 0 ? text.slice(from, to) : null };
          break;
        }
        if (instruction.op === "one" && at < text.length && instruction.fits(text.charCodeAt(at))) threads.push([pointer + 1, from, to]);
      }
      if (found && threads.length === 0) break;
    }
    return found;
  }

  #add(into: [number, number, number][], start: number, from: number, to: number, text: string, at: number): void {
    const waiting: [number, number, number][] = [[start, from, to]];
    for (let top = waiting.pop(); top; top = waiting.pop()) {
      const [pointer, first, last] = top;
      if (this.#seen[pointer] === this.#round) continue;
      this.#seen[pointer] = this.#round;
      const instruction = this.#code[pointer];
      if (instruction.op === "jump") waiting.push([instruction.to, first, last]);
      else if (instruction.op === "split") waiting.push([instruction.to[1], first, last], [instruction.to[0], first, last]);
      else if (instruction.op === "mark") waiting.push(instruction.slot === 0 ? [pointer + 1, at, -1] : [pointer + 1, first, at]);
      else if (instruction.op === "edge") {
        if (holds(instruction.edge, text, at)) waiting.push([pointer + 1, first, last]);
      } else into.push([pointer, first, last]);
    }
  }
  /** Whether there is a match: as `run`, without the groups, and with nothing made on the way. */
  test(text: string): boolean {
    const size = this.#code.length;
    const threads = new Int32Array(size);
    const now = new Int32Array(size);
    const waiting = new Int32Array(2 * size + 2);
    let count = 0;
    for (let at = 0; at <= text.length; at++) {
      this.#round++;
      let reached = 0;
      for (let i = 0; i < count; i++) reached = this.#reach(threads[i], now, reached, waiting, text, at);
      reached = this.#reach(0, now, reached, waiting, text, at);
      if (reached < 0) return true;
      const letter = text.charCodeAt(at);
      count = 0;
      for (let i = 0; i < reached; i++) {
        const instruction = this.#code[now[i]];
        if (instruction.op === "one" && at < text.length && instruction.fits(letter)) threads[count++] = now[i] + 1;
      }
    }
    return false;
  }

  /** Adds what can be reached from one instruction without a letter; -1 when that is the end. */
  #reach(start: number, into: Int32Array, reached: number, waiting: Int32Array, text: string, at: number): number {
    if (reached < 0) return reached;
    let top = 0;
    waiting[top++] = start;
    while (top > 0) {
      const pointer = waiting[--top];
      if (this.#seen[pointer] === this.#round) continue;
      this.#seen[pointer] = this.#round;
      const instruction = this.#code[pointer];
      if (instruction.op === "one") into[reached++] = pointer;
      else if (instruction.op === "end") return -1;
      else if (instruction.op === "jump") waiting[top++] = instruction.to;
      else if (instruction.op === "split") {
        waiting[top++] = instruction.to[1];
        waiting[top++] = instruction.to[0];
      } else if (instruction.op === "mark" || holds(instruction.edge, text, at)) waiting[top++] = pointer + 1;
    }
    return reached;
  }
}
