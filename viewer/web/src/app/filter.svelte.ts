import { Pattern } from "./runs/regex";

export type Compiled = { regex: Pattern; error: null } | { regex: null; error: string };

/** Compiles what a person typed; case never matters, an empty text matches everything. */
export function compile(text: string): Compiled {
  try {
    return { regex: new Pattern(text), error: null };
  } catch (error) {
    return { regex: null, error: error instanceof Error ? error.message : String(error) };
  }
}

/** A regex being typed: while it is broken, the last good one stays in force. */
export class Filter {
  text = $state("");
  error = $state<string | null>(null);
  #good = $state.raw(new Pattern(""));

  constructor(text = "") {
    this.set(text);
  }

  set(text: string): void {
    const { regex, error } = compile(text);
    this.text = text;
    this.error = error;
    if (regex) this.#good = regex;
  }

  matches(name: string): boolean {
    return this.#good.test(name);
  }

  /** The pattern in force, which differs from `text` while that one is broken. */
  get source(): string {
    return this.#good.source;
  }
}
