import { said } from "../wire";
import { fetchAnswer, rowsOf, type Answer, type Head, type Row, type Source } from "./wire";
import type { Chosen } from "../wire";

const PAGE = 100;

/** The rows of a table as they are needed. What was there stays on the screen until the answer to another question comes. */
export class Sheet {
  head = $state.raw<Head | null>(null);
  failed = $state("");
  /** By their place in the list. */
  rows = $state.raw<ReadonlyMap<number, Row>>(new Map());
  #asked = new Set<number>();
  #control = new AbortController();
  #key = "";
  #stale = true;
  #question: { chosen: Chosen; source: Source; more: Readonly<Record<string, string>> } | null = null;

  /** Another question makes another table; rows are fetched once `need` says which. */
  want(chosen: Chosen, source: Source, more: Readonly<Record<string, string>>): void {
    const key = JSON.stringify([chosen.run, chosen.trace, source, more]);
    if (key === this.#key) return;
    this.#key = key;
    this.#question = { chosen, source, more };
    this.#control.abort();
    this.#control = new AbortController();
    this.#asked.clear();
    this.#stale = true;
  }

  /** Fetches what is missing of these rows. */
  need(first: number, last: number): void {
    const most = this.#stale || !this.head ? Infinity : this.head.shown - 1;
    for (let page = Math.floor(Math.max(0, first) / PAGE); page * PAGE <= Math.min(last, most); page++) {
      if (this.#asked.has(page)) continue;
      this.#asked.add(page);
      void this.#fetch(page * PAGE, PAGE);
      if (this.#stale) break; // how many there are is not known yet
    }
  }

  async #fetch(offset: number, limit: number): Promise<void> {
    const [question, key, { signal }] = [this.#question, this.#key, this.#control];
    if (!question) return;
    try {
      const answer = await fetchAnswer(question.chosen, question.source, { ...question.more, offset: String(offset), limit: String(limit) }, signal);
      if (key !== this.#key) return;
      this.#take(answer);
      const left = Math.min(limit, answer.shown - offset) - answer.rows.length;
      if (left > 0 && answer.rows.length > 0) await this.#fetch(offset + answer.rows.length, left);
    } catch (error) {
      if (signal.aborted || key !== this.#key) return;
      this.failed = said(error);
      this.#asked.delete(Math.floor(offset / PAGE));
    }
  }

  #take(answer: Answer): void {
    const rows = new Map(this.#stale ? [] : this.rows);
    rowsOf(answer).forEach((row, i) => rows.set(answer.offset + i, row));
    this.#stale = false;
    this.failed = "";
    this.head = answer;
    this.rows = rows;
  }

  end(): void {
    this.#control.abort();
  }
}
