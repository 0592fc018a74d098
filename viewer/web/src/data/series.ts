import { Refused, type Index, type Wanted } from "./api";
import { Columns } from "./columns";
import type { Tail } from "./wire";

type FetchScalars = (series: readonly Wanted[]) => Promise<Tail[]>;

interface Held {
  columns: Columns;
  /** Points that the server is known to have. */
  total: number;
  /** What `total` was when these points were last asked for. */
  asked: number;
  /** What these points are part of: the server counts up when points that it sent no longer stand. */
  generation: number;
  /** The generation that the server was last heard to have. */
  heard: number;
  /** How many points stood when the server was last heard of. */
  standing: number;
  /** The server may have other points than ours under the same count: look again. */
  doubtful: boolean;
}

interface Watcher {
  tag: string;
  runs: readonly string[];
  onData: () => void;
}

/** Bounds of one request: it has to stay short enough for fresh points to slip in between. */
const POINTS_PER_REQUEST = 400_000;
const SERIES_PER_REQUEST = 2_000;
const NAMES_PER_REQUEST = 300_000;
/** Above this many points in memory, what no card shows is let go. */
const POINTS_HELD = 20_000_000;
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
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(fetch: FetchScalars, onProblem: (problem: string | null) => void = () => {}) {
    this.#fetch = fetch;
    this.#onProblem = onProblem;
  }

  get(tag: string, run: string): Columns | undefined {
    return this.#held.get(tag)?.get(run)?.columns;
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
        held.columns.clear();
        held.total = held.standing;
        held.doubtful = false;
      }
    }
    for (const watcher of this.#watchers.values()) watcher.onData();
    this.#pump();
  }

  /** Shows that `owner` needs these series now, and calls it whenever points of them came. */
  watch(owner: object, tag: string, runs: readonly string[], onData: () => void): void {
    this.#watchers.set(owner, { tag, runs, onData });
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
      held.total = held.columns.n;
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
    if (!held) runs.set(run, (held = { columns: new Columns(), total: 0, asked: 0, generation: 0, heard: 0, standing: 0, doubtful: false }));
    return held;
  }

  #nextRequest(): Wanted[] {
    const wanted = new Map<Held, Wanted>();
    let points = 0;
    let names = 0;
    for (const { tag, runs } of this.#watchers.values()) {
      for (const run of runs) {
        const held = this.#held.get(tag)?.get(run);
        if (!held || wanted.has(held)) continue;
        const n = held.columns.n;
        if (held.total === n && !held.doubtful) continue;
        held.asked = held.total;
        const since = held.total < n ? 0 : Math.max(0, n - 1);
        wanted.set(held, { run, tag, since, generation: held.generation, ...(this.#everything && { superseded: true }) });
        points += Math.max(0, held.total - n);
        names += run.length + tag.length + 32;
        const full = points > POINTS_PER_REQUEST || names > NAMES_PER_REQUEST || wanted.size >= SERIES_PER_REQUEST;
        if (full) return [...wanted.values()];
      }
    }
    return [...wanted.values()];
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
        const tails = await this.#fetch(request);
        if (everything !== this.#everything) continue; // these points are part of something else
        const changed = new Set<string>();
        tails.forEach((tail, i) => {
          if (this.#take(tail, request[i].since)) changed.add(tail.tag);
        });
        this.#recovered();
        for (const watcher of this.#watchers.values()) if (changed.has(watcher.tag)) watcher.onData();
        this.#evict();
      }
      this.#busy = false;
    } catch (error) {
      this.#busy = false;
      this.#failed(error);
    }
  }

  /** Puts one answered tail in place; says whether anything changed. */
  #take(tail: Tail, asked: number): boolean {
    const held = this.#entry(tail.tag, tail.run);
    const { columns } = held;
    const before = columns.n;
    const edition = columns.edition;
    held.doubtful = tail.generation < held.heard;
    held.generation = tail.generation;
    // News that came while the answer was under way is newer than the answer.
    if (held.total === held.asked) held.total = tail.total;
    if (tail.step.length === 0 && tail.total > 0) {
      // No room for it in this answer. Waiting for its next news beats asking for ever.
      held.total = before;
    } else if (tail.since === 0) {
      if (asked > 0 || before > 0) columns.clear();
      columns.append(tail);
    } else if (tail.since === before - 1 && columns.meets(tail)) {
      columns.append(tail, 1);
    } else {
      columns.clear();
    }
    this.#points += columns.n - before;
    return columns.n !== before || columns.edition !== edition;
  }

  #evict(): void {
    if (this.#points <= POINTS_HELD) return;
    const shown = new Set([...this.#watchers.values()].map((watcher) => watcher.tag));
    for (const [tag, runs] of this.#held) {
      if (shown.has(tag)) continue;
      for (const held of runs.values()) {
        this.#points -= held.columns.n;
        held.columns = new Columns();
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
