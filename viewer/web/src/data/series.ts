import { Refused, type Index, type Wanted } from "./api";
import type { Recipe, Span } from "./buckets";
import { Columns } from "./columns";
import { Held, type Ask } from "./held";
import type { Tail } from "./wire";

type FetchScalars = (series: readonly Wanted[]) => Promise<Tail[]>;

interface Watcher {
  tag: string;
  runs: readonly string[];
  onData: () => void;
  view: Span | null;
}

/** Bounds of one request: it has to stay short enough for fresh points to slip in between. */
const POINTS_PER_REQUEST = 400_000;
const SERIES_PER_REQUEST = 2_000;
const NAMES_PER_REQUEST = 300_000;
/** With so much a request ends before the next chart's series: each answer has all charts drawn that it has points of. */
const POINTS_ENOUGH = 250_000;
const SERIES_ENOUGH = 500;
/** Above this many points in memory, what no card shows is let go. */
const POINTS_HELD = 20_000_000;
const LOADING_REST_MS = 1_000;
const CALM_LOOK_MS = 500;
const CALM_LOOKS = 10;
const RETRY_AFTER_MS = [500, 1_000, 2_000, 4_000];

/**
 * The points the page holds. Cards say which series they show; whenever the server is known
 * to have more of one of these, only the missing end is fetched, one request at a time.
 *
 * A tail starts one point early. If that point is not the one held, the series was rewritten
 * (a restarted run) and is fetched anew.
 */
export class SeriesCache {
  #fetch: FetchScalars;
  #onProblem: (problem: string | null) => void;
  #held = new Map<string, Map<string, Held>>();
  #watchers = new Map<object, Watcher>();
  #points = 0;
  #busy = false;
  #failures = 0;
  #everything = false;
  #recipe: Recipe | null = null;
  #later: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Whether any points came, and who waits until no more are on their way. */
  #begun = false;
  #waiting: (() => void)[] = [];
  /** The server reads for the first time, and all series grow at once: what is shown is brought up to date more rarely. */
  loading = false;

  constructor(fetch: FetchScalars, onProblem: (problem: string | null) => void = () => {}) {
    this.#fetch = fetch;
    this.#onProblem = onProblem;
  }

  /** The points of a series; of a long one, those that show it, or the part of it that is in view. */
  get(tag: string, run: string, view: Span | null = null): Columns | undefined {
    const held = this.#held.get(tag)?.get(run);
    return held && (view && this.#recipe ? held.best(view, this.#recipe.axis) : held.columns);
  }

  /** Every point of some series, whatever their length; what is not held is fetched, and not kept. */
  async whole(tag: string, runs: readonly string[]): Promise<Map<string, Columns>> {
    const all = new Map<string, Columns>();
    for (const run of runs) {
      const held = this.#held.get(tag)?.get(run);
      if (!held) continue;
      all.set(run, held.chosen ? await this.#everyPoint(tag, run) : held.columns);
    }
    return all;
  }

  async #everyPoint(tag: string, run: string): Promise<Columns> {
    const columns = new Columns();
    for (;;) {
      const [tail] = await this.#fetch([{ run, tag, since: columns.n, ...(this.#everything && { superseded: true }) }]);
      if (tail.since !== columns.n) columns.clear();
      columns.append(tail);
      if (tail.step.length === 0 || columns.n >= tail.total) return columns;
    }
  }

  /** How long series are fetched; without it all of their points are. A new one has them fetched anew, the old shown till then. */
  set recipe(recipe: Recipe | null) {
    this.#recipe = recipe;
    this.#pump();
  }

  /** How many points of a series are known of. */
  known(tag: string, run: string): number {
    return this.#held.get(tag)?.get(run)?.standing ?? 0;
  }

  /** Whether points that a restart has voided belong to a series. Changing it has all series fetched anew. */
  set everything(on: boolean) {
    if (on === this.#everything) return;
    this.#everything = on;
    this.#points = 0;
    for (const runs of this.#held.values()) {
      for (const held of runs.values()) {
        held.clear();
        held.total = held.standing;
        held.doubtful = false;
      }
    }
    for (const watcher of this.#watchers.values()) watcher.onData();
    this.#pump();
  }

  /** Shows that `owner` needs these series now, in detail within `view`, and calls it whenever points of them came. */
  watch(owner: object, tag: string, runs: readonly string[], onData: () => void, view: Span | null = null): void {
    this.#watchers.set(owner, { tag, runs, onData, view });
    this.#pump();
  }

  unwatch(owner: object): void {
    this.#watchers.delete(owner);
  }

  /** One series now has `total` points. */
  note(run: string, tag: string, total: number, generation = 0): void {
    const held = this.#entry(tag, run);
    this.#hear(held, total);
    this.#compare(held, generation);
    this.#pump();
  }

  /** Takes all totals from an index; one that is `older` than what is known can only add. */
  noteIndex(index: Index, older: boolean): void {
    const series = index.series.scalars ?? {};
    if (!older) for (const runs of this.#held.values()) for (const held of runs.values()) held.total = 0;
    for (const [tag, runs] of Object.entries(series)) {
      for (const [run, points, generation = 0] of runs) {
        const held = this.#entry(tag, index.runs[run].name);
        if (!older) this.#compare(held, generation);
        this.#hear(held, older ? Math.max(held.standing, points) : points);
      }
    }
    this.#pump();
  }

  /** After a lost connection: the server may be another one, with other points. */
  doubtAll(): void {
    for (const runs of this.#held.values()) {
      for (const held of runs.values()) held.doubtful = held.columns.n > 0;
    }
    this.#failures = 0;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#pump();
  }

  /** So many points of a series stand: all that is shown, unless voided ones are shown too. */
  #hear(held: Held, points: number): void {
    if (this.#everything && held.columns.n > 0) {
      // How many there are with the voided ones, only the answer to a tail tells.
      if (points !== held.standing) held.doubtful = true;
      held.total = held.columns.points;
    } else {
      held.total = points;
    }
    held.standing = points;
  }

  #compare(held: Held, generation: number): void {
    held.heard = generation;
    if (held.generation !== generation && held.columns.n > 0) held.doubtful = true;
  }

  #entry(tag: string, run: string): Held {
    let runs = this.#held.get(tag);
    if (!runs) this.#held.set(tag, (runs = new Map()));
    let held = runs.get(run);
    if (!held) runs.set(run, (held = new Held(run, tag)));
    return held;
  }

  /**
   * Resolves once all points that are wanted came and the server has read all; a while later at the most, and sooner
   * where nothing is wanted.
   */
  async calm(): Promise<void> {
    let looks = 0;
    let rest = 0; // cards ask when they have heard
    do {
      await new Promise<void>((done) => {
        if (rest) this.#waiting.push(done);
        setTimeout(done, rest);
      });
      rest = CALM_LOOK_MS;
    } while ((!this.#begun || this.#busy || this.loading) && ++looks < (this.#watchers.size ? CALM_LOOKS : CALM_LOOKS / 5));
  }

  #rest(): void {
    this.#busy = false;
    if (this.#begun && !this.loading) for (const done of this.#waiting.splice(0)) done();
  }

  #nextRequest(): Ask[] {
    const asks = new Map<Held, Ask>();
    const now = performance.now();
    let points = 0;
    let names = 0;
    let due = Infinity;
    for (const { tag, runs, view } of this.#watchers.values()) {
      if (points > POINTS_ENOUGH || asks.size >= SERIES_ENOUGH) return [...asks.values()];
      for (const run of runs) {
        const held = this.#held.get(tag)?.get(run);
        if (!held || asks.has(held)) continue;
        if (this.loading && held.columns.n > 0 && now < held.rest) {
          due = Math.min(due, held.rest);
          continue;
        }
        const ask =
          held.wantsWhole(this.#everything, this.#recipe, now) ??
          (view && this.#recipe ? held.wantsDetail(view, this.#everything, this.#recipe, now) : null);
        if (typeof ask === "number") due = Math.min(due, ask);
        if (ask === null || typeof ask === "number") continue;
        held.asked = held.total;
        asks.set(held, ask);
        points += ask.cost;
        names += run.length + tag.length + (ask.recipe ? 128 : 32);
        const full = points > POINTS_PER_REQUEST || names > NAMES_PER_REQUEST || asks.size >= SERIES_PER_REQUEST;
        if (full) return [...asks.values()];
      }
    }
    if (asks.size === 0 && due < Infinity) this.#pumpIn(due - now);
    return [...asks.values()];
  }

  #pumpIn(delay: number): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#pump(), Math.max(1, delay));
  }

  #pump(): void {
    if (this.#busy || this.#retry !== undefined) return;
    this.#busy = true;
    // A microtask later, so that all cards of one render share a request.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      for (let request = this.#nextRequest(); request.length > 0; request = this.#nextRequest()) {
        const everything = this.#everything;
        const start = performance.now();
        const tails = await this.#fetch(request.map(({ wanted }) => wanted));
        if (everything !== this.#everything) continue; // these points are part of something else
        const now = performance.now();
        const changed = new Set<string>();
        tails.forEach((tail, i) => {
          if (this.#take(tail, request[i], now - start, now)) changed.add(tail.tag);
        });
        this.#begun = true;
        this.#recovered();
        for (const watcher of this.#watchers.values()) if (changed.has(watcher.tag)) watcher.onData();
        this.#evict();
      }
      this.#rest();
    } catch (error) {
      this.#rest();
      this.#failed(error);
    }
  }

  #take(tail: Tail, ask: Ask, took: number, now: number): boolean {
    const before = ask.held.size;
    if (this.loading) ask.held.rest = now + LOADING_REST_MS;
    const changed = ask.held.take(tail, ask, took, now);
    this.#points += ask.held.size - before;
    return changed;
  }

  #evict(): void {
    if (this.#points <= POINTS_HELD) return;
    const shown = new Set([...this.#watchers.values()].map((watcher) => watcher.tag));
    for (const [tag, runs] of this.#held) {
      if (shown.has(tag)) continue;
      for (const held of runs.values()) {
        this.#points -= held.size;
        held.letGo();
      }
      if (this.#points <= POINTS_HELD) return;
    }
  }

  #recovered(): void {
    if (this.#failures > 0) this.#onProblem(null);
    this.#failures = 0;
  }

  #failed(error: unknown): void {
    const delay = RETRY_AFTER_MS[Math.min(this.#failures, RETRY_AFTER_MS.length - 1)];
    this.#failures++;
    // No answer at all is the live connection's to report; it notices by itself.
    if (error instanceof Refused || !(error instanceof TypeError)) {
      this.#onProblem(error instanceof Error ? error.message : String(error));
    }
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#pump();
    }, delay);
  }
}
