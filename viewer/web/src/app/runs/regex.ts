/**
 * Regexes that a person types, run so that none of them hangs the page.
 *
 * The browser's engine backtracks: `(a+)+b` takes it years on a name of fifty letters. So each pattern is read
 * here as well, which tells how many steps it may take on a name of a given length. Where that is few the
 * browser's engine runs it; where it is many, a simulation of all alternatives at once does (Pike's machine, after
 * Thompson 1968), whose time grows with the length only. It knows neither look-around nor back-references:
 * patterns that have them and repeat what can itself be matched in several ways are refused.
 */

type Node =
  | { kind: "one"; source: string }
  | { kind: "edge"; edge: string }
  | { kind: "all"; items: Node[] }
  | { kind: "any"; items: Node[] }
  | { kind: "repeat"; item: Node; least: number; most: number; greedy: boolean }
  | { kind: "group"; item: Node; index: number };

const QUANTIFIER = /[*+?]|\{\d+(?:,\d*)?\}/y;
// Hexadecimal, control and class escapes are longer than one letter.
const ESCAPE = /\\(?:x[\da-f]{2}|u[\da-f]{4}|c[a-z]|[^])/iy;
const CLASS = /\[(?:\\[^]|[^\]\\])*\]/y;
const OPENING = /\((?:\?(?::|<?[=!]|<[^>]*>|[a-z-]*:))?/y;

/** Reads a pattern that the browser's engine has taken already: nothing in it is broken. */
class Reader {
  #at = 0;
  #groups = 0;
  /** Whether all of it can be run by the machine below. */
  plain = true;

  constructor(readonly text: string) {}

  read(): Node {
    const items = [this.#sequence()];
    while (this.text[this.#at] === "|") {
      this.#at++;
      items.push(this.#sequence());
    }
    return items.length === 1 ? items[0] : { kind: "any", items };
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (this.#at < this.text.length && this.text[this.#at] !== "|" && this.text[this.#at] !== ")") {
      items.push(this.#quantified(this.#atom()));
    }
    return { kind: "all", items };
  }

  #quantified(item: Node): Node {
    const found = this.#take(QUANTIFIER);
    if (!found) return item;
    const greedy = this.text[this.#at] !== "?";
    if (!greedy) this.#at++;
    const [least, most = least] = found.startsWith("{")
      ? found.slice(1, -1).split(",").map((n) => (n === "" ? Infinity : Number(n)))
      : [found === "+" ? 1 : 0, found === "?" ? 1 : Infinity];
    return { kind: "repeat", item, least, most, greedy };
  }

  #atom(): Node {
    const next = this.text[this.#at];
    if (next === "(") return this.#group();
    if (next === "[") return { kind: "one", source: this.#take(CLASS) };
    if (next === "^" || next === "$") return { kind: "edge", edge: this.text[this.#at++] };
    if (next !== "\\") return { kind: "one", source: this.#literal() };
    const escape = this.#take(ESCAPE);
    if (/^\\b$/i.test(escape)) return { kind: "edge", edge: escape };
    if (/^\\[1-9k]/.test(escape)) this.plain = false;
    return { kind: "one", source: escape };
  }

  #literal(): string {
    const letter = this.text[this.#at++];
    return "{}]".includes(letter) ? `\\${letter}` : letter;
  }

  #group(): Node {
    const opening = this.#take(OPENING);
    const captures = opening === "(" || /^\(\?<[^=!]/.test(opening);
    if (!captures && opening !== "(?:") this.plain = false;
    const index = captures ? ++this.#groups : 0;
    const item = this.read();
    this.#at++;
    return { kind: "group", item, index };
  }
}

/** How much the browser's engine may have to try: `loops` of any length one after the other, in `ways`. */
interface Effort {
  loops: number;
  ways: number;
  /** How many instructions it takes. */
  size: number;
  /** Something repeats that can be matched in several ways: the effort doubles with every letter. */
  explodes: boolean;
}

function effortOf(node: Node): Effort {
  if (node.kind === "one") return { loops: 0, ways: 1, size: 1, explodes: /^\\[1-9k]/.test(node.source) };
  if (node.kind === "edge") return { loops: 0, ways: 1, size: 1, explodes: false };
  if (node.kind === "group") return effortOf(node.item);
  if (node.kind === "repeat") return repeated(node, effortOf(node.item));
  const parts = node.items.map(effortOf);
  const sum = (of: (part: Effort) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const explodes = parts.some((part) => part.explodes);
  const size = sum((part) => part.size) + 1;
  if (node.kind === "any") return { loops: Math.max(...parts.map(({ loops }) => loops)), ways: sum(({ ways }) => ways), size, explodes };
  return { loops: sum(({ loops }) => loops), ways: parts.reduce((all, { ways }) => all * ways, 1), size, explodes };
}

function repeated({ least, most }: Node & { kind: "repeat" }, inner: Effort): Effort {
  const size = (inner.size + 2) * Math.max(1, most === Infinity ? least + 1 : most);
  if (most <= 1) return { ...inner, ways: inner.ways * 2, size };
  const fixed = inner.loops === 0 && inner.ways === 1 && !inner.explodes;
  if (!fixed) return { ...inner, size, explodes: true };
  return { loops: most > least ? 1 : 0, ways: 1, size, explodes: false };
}

type Instruction =
  | { op: "one"; fits: (code: number) => boolean }
  | { op: "edge"; edge: string }
  | { op: "split"; to: [number, number] }
  | { op: "jump"; to: number }
  | { op: "mark"; slot: 0 | 1 }
  | { op: "end" };

const MOST_INSTRUCTIONS = 5_000;
const MOST_LETTERS = 4_000;

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

interface Found {
  /** What the first group held: null when it took no part. */
  group: string | null;
}

/** Follows all alternatives side by side, those that the engine would try first in front. */
class Machine {
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

/** Steps of the browser's engine that nobody notices, for one name; and what it may take where there is no other. */
const FEW_STEPS = 1e6;
const MOST_STEPS = 3e7;

function native(source: string): RegExp {
  if (source.length > MOST_LETTERS) throw new SyntaxError(`Longer than ${MOST_LETTERS.toLocaleString("en")} letters`);
  try {
    return new RegExp(source, "i");
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Engines put the whole pattern in front of the reason; the field shows it already.
    throw new SyntaxError(message.replace(/^.*\/[a-z]*: /s, ""), { cause: error });
  }
}

/** A regex that answers in bounded time; case never matters. */
export class Pattern {
  readonly #regex: RegExp;
  readonly #root: Node;
  readonly #effort: Effort;
  readonly #plain: boolean;
  #machine: Machine | null = null;

  /** @throws SyntaxError with the reason, when the pattern is broken or cannot be run in bounded time. */
  constructor(readonly source: string) {
    this.#regex = native(source);
    const reader = new Reader(source);
    this.#root = reader.read();
    this.#plain = reader.plain;
    this.#effort = effortOf(this.#root);
    if (this.#effort.size > MOST_INSTRUCTIONS) throw new SyntaxError("Too many repetitions");
    if (!reader.plain && this.#effort.explodes) {
      throw new SyntaxError("Could take forever: look-around or a back-reference beside something that repeats in several ways");
    }
  }

  /** What has to run it on a text: null when the browser's engine is quick enough, or nothing is. */
  #machineFor(text: string): Machine | null {
    return this.#steps(text) > FEW_STEPS && this.#plain ? (this.#machine ??= new Machine(this.#root)) : null;
  }

  #steps(text: string): number {
    const { loops, ways, size, explodes } = this.#effort;
    return explodes ? Infinity : ways * size * (text.length + 1) ** (loops + 1);
  }

  /** The first match, with what its first group held. Null without a match. */
  find(text: string): Found | null {
    const machine = this.#machineFor(text);
    if (machine) return machine.run(text);
    if (this.#steps(text) > MOST_STEPS) return null;
    const match = this.#regex.exec(text);
    return match && { group: match[1] ?? null };
  }

  test(text: string): boolean {
    const machine = this.#machineFor(text);
    return machine ? machine.test(text) : this.#steps(text) <= MOST_STEPS && this.#regex.test(text);
  }
}
