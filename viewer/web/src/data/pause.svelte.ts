import type { Change } from "./live";

/** While the picture stands still: keeps what came, and counts it. */
export class Pause {
  on = $state(false);
  /** Points that came since, of series known then or not. */
  news = $state(0);
  #series = new Map<string, { news: NonNullable<Change["series"]>[number]; count: number }>();
  #version = -1;
  #structure = false;
  #anything = false;
  #others = false;

  /** Takes a change; `known` says how many points of a series are shown. */
  hold(change: Change, known: (tag: string, run: string) => number): void {
    this.#version = Math.max(this.#version, change.version);
    this.#structure ||= change.structure;
    if (change.series === null) this.#anything = true;
    this.#others ||= change.others ?? false;
    for (const news of change.series ?? []) {
      const [run, tag, total] = news;
      const key = JSON.stringify([run, tag]);
      const before = this.#series.get(key);
      // A series that was cut short and written anew has news too.
      const count = Math.max(before?.count ?? 0, total - known(tag, run));
      this.news += count - (before?.count ?? 0);
      this.#series.set(key, { news, count });
    }
  }

  /** Ends the pause and gives what came as one change; null when nothing did. */
  end(): Change | null {
    const series = this.#anything ? null : [...this.#series.values()].map(({ news }) => news);
    const change = { version: this.#version, structure: this.#structure, series, ...(this.#others && { others: true }) };
    const none = this.#version < 0;
    this.on = false;
    this.news = 0;
    this.#series.clear();
    this.#version = -1;
    this.#structure = this.#anything = this.#others = false;
    return none ? null : change;
  }
}
