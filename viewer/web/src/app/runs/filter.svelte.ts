import { fits, readParts } from "./parts";
import { readAs } from "./look";
import type { Query } from "./query";
import type { Subjects } from "./subject";

/** What lets some runs through. */
interface Sieve {
  /** As it was typed. */
  source: string;
  test: (run: string) => boolean;
  /** The tags whose figures have to be there. */
  tags: readonly string[] | null;
}

/** Why what was typed is not in force. */
interface Fault {
  message: string;
  /** Where in the text, for queries. */
  at: number | null;
}

const EVERYTHING: Sieve = { source: "", test: () => true, tags: null };

/** How long choosing runs may take before it is given up. */
const MOST_MS = 1_000;

// What begins like this is no regex that anybody would search names with.
const QUERY =
  /^(?:\s|\(|not\b)*(?:hp\s*[.[]|(?:last|first|min|max|count|step|min_step|max_step|has|tag)\s*\(\s*(?:["'h]|$)|(?:run|status|started|ended|duration|last_step|title|note|path|now)\s*(?:[<>~+*/-]|==|!=|!~|(?:not\s+)?in\b))/;

export function isQuery(text: string): boolean {
  return QUERY.test(text);
}

/** Which runs are shown, as it is being typed: while it is broken, the last good one stays in force. */
export class RunFilter {
  text = $state("");
  fault = $state.raw<Fault | null>(null);
  #good = $state.raw<Sieve>(EVERYTHING);
  /** What was let through last. */
  #before: readonly string[] = [];
  readonly #names: () => readonly string[];
  readonly #subjects: Subjects;
  readonly #result = $derived.by(() => this.#choose(this.#names(), this.#good));
  /** Regex or query: as the text begins, unless a person said which. */
  readonly kind = $derived(readAs.value === "auto" ? (isQuery(this.text) ? "query" : "regex") : readAs.value);

  constructor(names: () => readonly string[], subjects: Subjects) {
    this.#names = names;
    this.#subjects = subjects;
  }

  set(text: string): void {
    this.text = text;
    if (text.trim() !== "" && this.kind === "query") void this.#query(text);
    else this.#take(() => this.#regexes(text));
  }

  /** Reads the text as the other kind from now on. */
  turn(): void {
    const other = this.kind === "query" ? "regex" : "query";
    readAs.value = (isQuery(this.text) ? "query" : "regex") === other ? "auto" : other;
    this.set(this.text);
  }

  #regexes(text: string): Sieve {
    if (text.trim() === "") return { ...EVERYTHING, source: text };
    const parts = readParts(text);
    return { source: text, test: (name) => fits(parts, name), tags: null };
  }

  /** The language is fetched when the first query is typed. */
  async #query(text: string): Promise<void> {
    const { compileQuery } = await import("./query");
    if (text !== this.text || this.kind !== "query") return;
    // What began this query was taken for a regex, letter by letter: nobody wants it in force.
    if (this.#good.tags === null && text.startsWith(this.#good.source)) this.#good = EVERYTHING;
    this.#take(() => {
      const { test, tags }: Query = compileQuery(text);
      return { source: text, test: (run) => test(this.#subjects.of(run)), tags };
    });
  }

  #take(make: () => Sieve): void {
    try {
      const made = make();
      this.#subjects.want(this, made.tags ?? []);
      this.#good = made;
      this.fault = null;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.fault = { message: error.message, at: "at" in error && typeof error.at === "number" ? error.at : null };
    }
  }

  #choose(names: readonly string[], { test, tags }: Sieve): { runs: readonly string[]; problem: string | null; waits: boolean } {
    if (tags && !this.#subjects.ready(tags)) return { runs: this.#before, problem: null, waits: true };
    const end = performance.now() + MOST_MS;
    const runs: string[] = [];
    for (const name of names) {
      if (test(name)) runs.push(name);
      if (performance.now() > end) {
        return { runs: this.#before, problem: `Given up after ${MOST_MS / 1_000} s: too much to try`, waits: false };
      }
    }
    this.#before = runs;
    return { runs, problem: null, waits: false };
  }

  /** The names that are let through. */
  get runs(): readonly string[] {
    return this.#result.runs;
  }

  /** Whether a query waits for what it asks for. */
  get waits(): boolean {
    return this.#result.waits;
  }

  get error(): string | null {
    return this.fault?.message ?? this.#result.problem;
  }

  /** What is in force, which differs from `text` while that one is broken. */
  get source(): string {
    return this.#good.source;
  }
}
