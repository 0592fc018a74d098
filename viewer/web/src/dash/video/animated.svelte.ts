import { fetchMoving } from "./facts";

/** Runs of a tag that are looked at: the first, the middle and the last. */
function samples(runs: readonly string[]): string[] {
  return [...new Set([runs[0], runs[runs.length >> 1], runs[runs.length - 1]])];
}

/** Which tags of pictures move: GIFs are kept among pictures, and only their bytes tell. */
export class Animated {
  tags = $state.raw<ReadonlySet<string>>(new Set());
  /** By tag: of how many runs it was asked. */
  #asked = new Map<string, number>();

  /** Looks at tags that are new, or that other runs have by now. */
  look(tags: ReadonlyMap<string, readonly string[]>): void {
    const fresh = [...tags].filter(([tag, runs]) => this.#asked.get(tag) !== runs.length && !this.tags.has(tag));
    if (fresh.length === 0) return;
    for (const [tag, runs] of fresh) this.#asked.set(tag, runs.length);
    const series = fresh.flatMap(([tag, runs]) => samples(runs).map((run) => ({ run, tag }))).slice(0, 10_000);
    fetchMoving(series).then(
      (moving) => {
        const found = series.filter((_, i) => moving[i]).map(({ tag }) => tag);
        if (found.length > 0) this.tags = new Set([...this.tags, ...found]);
      },
      () => {
        for (const [tag] of fresh) this.#asked.delete(tag); // asked again with the next news
      },
    );
  }
}
