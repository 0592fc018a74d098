import { ask } from "./ask";

const PAUSE_MS = 400;

/** The server's answer about a table: asked again when the table is another one, and at rest. */
export class Answer<T> {
  readonly #what: "importance" | "correlation";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wanted = "";
  #shown = "";
  value = $state.raw<T | null>(null);
  problem = $state<string | null>(null);
  waits = $state(false);

  constructor(what: "importance" | "correlation") {
    this.#what = what;
  }

  want(body: string): void {
    if (body === this.#wanted) return;
    const first = this.#wanted === "";
    this.#wanted = body;
    this.waits = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), first ? 0 : PAUSE_MS);
  }

  async #ask(): Promise<void> {
    const body = this.#wanted;
    try {
      const value = await ask<T>(this.#what, body);
      if (body !== this.#wanted) return;
      this.value = value;
      this.problem = null;
    } catch (error) {
      if (body !== this.#wanted) return;
      this.value = null;
      this.problem = error instanceof Error ? error.message : String(error);
    }
    this.#shown = body;
    this.waits = this.#shown !== this.#wanted;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
