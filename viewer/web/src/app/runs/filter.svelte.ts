import { fits, readParts } from "./parts";

/** What lets some names through. */
interface Sieve {
  /** As it was typed. */
  source: string;
  test: (name: string) => boolean;
}

const EVERYTHING: Sieve = { source: "", test: () => true };

/** How long choosing runs may take before it is given up. */
const MOST_MS = 1_000;

function sieveOf(text: string): Sieve {
  if (text === "") return EVERYTHING;
  const parts = readParts(text);
  return { source: text, test: (name) => fits(parts, name) };
}

/** Which runs are shown, as it is being typed: while it is broken, the last good one stays in force. */
export class RunFilter {
  text = $state("");
  #broken = $state<string | null>(null);
  #good = $state.raw<Sieve>(EVERYTHING);
  /** What was let through last. */
  #before: readonly string[] = [];
  readonly #names: () => readonly string[];
  readonly #result = $derived.by(() => this.#choose(this.#names(), this.#good));

  constructor(names: () => readonly string[]) {
    this.#names = names;
  }

  set(text: string): void {
    this.text = text;
    try {
      this.#good = sieveOf(text);
      this.#broken = null;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#broken = error.message;
    }
  }

  #choose(names: readonly string[], { test }: Sieve): { runs: readonly string[]; problem: string | null } {
    const end = performance.now() + MOST_MS;
    const runs: string[] = [];
    for (const name of names) {
      if (test(name)) runs.push(name);
      if (performance.now() > end) return { runs: this.#before, problem: `Given up after ${MOST_MS / 1_000} s: too much to try` };
    }
    this.#before = runs;
    return { runs, problem: null };
  }

  /** The names that are let through. */
  get runs(): readonly string[] {
    return this.#result.runs;
  }

  get error(): string | null {
    return this.#broken ?? this.#result.problem;
  }

  /** What is in force, which differs from `text` while that one is broken. */
  get source(): string {
    return this.#good.source;
  }
}
