import type { Change } from "./live";
import type { Figures, Metrics } from "./metrics";
import { Paced } from "./paced";

const PAUSE_MS = 2_000;

/** First, last, least and greatest values of the tags that somebody shows, kept up to date. */
export class MetricsFeed {
  #fetch: (tags: readonly string[]) => Promise<Metrics>;
  #paced = new Paced(() => this.#refresh(), PAUSE_MS);
  #wanted = new Map<object, readonly string[]>();

  /** By tag, then run; new maps whenever anything changed. */
  tags = $state.raw<ReadonlyMap<string, ReadonlyMap<string, Figures>>>(new Map());

  constructor(fetch: (tags: readonly string[]) => Promise<Metrics>) {
    this.#fetch = fetch;
  }

  of(tag: string, run: string): Figures | undefined {
    return this.tags.get(tag)?.get(run);
  }

  /** `owner` shows these tags from now on, in the place of those it named before; none at all ends it. */
  want(owner: object, tags: readonly string[]): void {
    if (tags.length) this.#wanted.set(owner, [...tags]);
    else this.#wanted.delete(owner);
    if (tags.some((tag) => !this.tags.has(tag))) this.#paced.ask(true);
  }

  /** News of the store; without, anything may have changed. */
  hear(change?: Change): void {
    if (!this.#wanted.size) return;
    const named = change && !change.structure ? change.series : null;
    if (named) {
      const wanted = this.#names();
      if (!named.some(([, tag]) => wanted.has(tag))) return;
    }
    this.#paced.ask(!change || change.structure);
  }

  #names(): Set<string> {
    return new Set([...this.#wanted.values()].flat());
  }

  async #refresh(): Promise<void> {
    const wanted = this.#names();
    this.tags = wanted.size ? await this.#fetch([...wanted]) : new Map();
  }
}
