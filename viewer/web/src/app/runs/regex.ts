/**
 * Regexes that a person types, run so that none of them hangs the page.
 *
 * The browser's engine backtracks: `(a+)+b` takes it years on a name of fifty letters. So each pattern is read
 * here as well, which tells how many steps it may take on a name of a given length. Where that is few the
 * browser's engine runs it; where it is many, a simulation of all alternatives at once does (Pike's machine, after
 * Thompson 1968), whose time grows with the length only. It knows neither look-around nor back-references:
 * patterns that have them and repeat what can itself be matched in several ways are refused.
 */

import { machineKind } from "./machines.svelte";
import type { Found, Machine } from "./machine";

/** A pattern as it was read. */
export type Node =
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

const MOST_INSTRUCTIONS = 5_000;
const MOST_LETTERS = 4_000;

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

  /** What has to run it on a text: null when the browser's engine is quick enough, or nothing is, or it is being fetched. */
  #machineFor(text: string): Machine | null {
    if (this.#steps(text) <= FEW_STEPS || !this.#plain) return null;
    const Kind = machineKind();
    return Kind && (this.#machine ??= new Kind(this.#root));
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
