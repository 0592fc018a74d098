import { fetchIndex, fetchScalars, type Index, type LogdirState } from "./api";
import { fetchFacts } from "./facts";
import { Facts } from "./facts.svelte";
import { Live, type Change, type Link } from "./live";
import { fetchMetrics } from "./metrics";
import { MetricsFeed } from "./metrics.svelte";
import { openNews } from "./news";
import { sharedPrefix } from "./names";
import { naturally, sortNaturally } from "./order";
import { Pause } from "./pause.svelte";
import { SeriesCache } from "./series";
import { fetchSidecar, sendPatch } from "./sidecar";
import { Sidecar } from "./sidecar.svelte";

const NOTHING: Index = { version: -1, logdir: "", state: "loading", title: "tallyboard", runs: [], series: {} };
/** Least time between two fetches of the index, and how many times its own cost it may take. */
const INDEX_PAUSE_MS = 100;
const INDEX_SHARE = 3;
/** Seconds between two pictures of a logdir that is read for the first time, unless that is done before. */
const LOADING_S = 1;

/** What the server has: the index as reactive state, the numbers in plain typed arrays. */
export class Board {
  #index = $state.raw<Index>(NOTHING);
  link = $state<Link>("connecting");
  problem = $state<string | null>(null);
  readonly series = new SeriesCache(fetchScalars, (problem) => (this.problem = problem));
  // Whatever they are for, there is more to see in a chart: the server shall answer that first.
  readonly facts = new Facts(() => this.series.calm().then(fetchFacts));
  readonly metrics = new MetricsFeed(fetchMetrics);
  readonly sidecar = new Sidecar(fetchSidecar, sendPatch);
  readonly pause = new Pause();
  readonly live: Live;

  /** "starting" until the server has answered once. */
  readonly phase = $derived<LogdirState | "starting">(this.#index === NOTHING ? "starting" : this.#index.state);
  readonly title = $derived(this.#index.title);
  readonly logdir = $derived(this.#index.logdir);
  readonly runs = $derived(this.#index.runs);
  readonly names = $derived(sortNaturally(this.runs.map((run) => run.name)));
  /** Characters at the front that all names share, for labels to leave out. */
  readonly prefix = $derived(sharedPrefix(this.names));
  /** Names in the order in which the runs started: a new run changes nothing for the others. */
  readonly arrivals = $derived(
    [...this.runs]
      .sort((a, b) => (a.first_wall_time ?? Infinity) - (b.first_wall_time ?? Infinity) || naturally(a.name, b.name))
      .map((run) => run.name),
  );
  /** Whether points that a restart voided are wanted. */
  everything = $state(false);
  /** The scalar tags and which runs have them. */
  readonly scalars = $derived(this.tags("scalars"));

  /** Changes when a training laid out other charts, or when there are other tags for them; empty where none did. */
  readonly laidOut = $derived.by(() => {
    const { custom_scalars: layouts, scalars = {} } = this.#index.series as Record<string, Record<string, unknown> | undefined>;
    return layouts ? JSON.stringify([layouts, Object.keys(scalars).length]) : "";
  });

  /** Whether any series has points that a restart voided. */
  readonly restarted = $derived(
    !!this.#index.voided?.scalars || Object.values(this.#index.series.scalars ?? {}).some((runs) => runs.some(([, , generation = 0]) => generation > 0)),
  );

  /** A plugin's tags and which runs have them; those of other plugins than scalars are known by `values`, too. */
  tags(plugin: string): ReadonlyMap<string, string[]> {
    const found = new Map<string, string[]>();
    const { series, voided } = this.#index;
    for (const counted of [series[plugin], this.everything ? voided?.[plugin] : undefined]) {
      for (const [tag, runs] of Object.entries(counted ?? {})) {
        found.set(tag, [...(found.get(tag) ?? []), ...runs.map(([run]) => this.runs[run].name)]);
      }
    }
    return found;
  }

  /** Whether any run has something of these plugins. */
  has(plugins: readonly string[]): boolean {
    const { series } = this.#index;
    return plugins.some((plugin) => Object.keys(series[plugin] ?? {}).length > 0);
  }

  /** Goes up when values of other plugins than scalars may have come or gone. */
  others = $state(0);

  #version = -1;
  #fetching = false;
  #again = false;
  /** The server started anew and still reads: what it had before stays until it has read all. */
  #holding = false;
  /** The server was found again during a pause, and may have anything. */
  #stale = false;

  constructor() {
    this.live = new Live({
      begin: () => this.#begin(),
      open: (since) => openNews("./api/live", since),
      onChange: (change) => this.#change(change),
      onLink: (link) => (this.link = link),
    });
  }

  start(): void {
    this.live.start();
  }

  /** Has the picture stand still, or go on. */
  togglePause(): void {
    if (!this.pause.on) {
      this.pause.on = true;
      return;
    }
    const change = this.pause.end();
    if (this.#stale) void this.#begin().catch(() => undefined); // the connection breaks too, and begins anew
    else if (change) this.#change(change);
    this.#stale = false;
  }

  async #begin(): Promise<number> {
    const index = await fetchIndex(true);
    this.#version = index.version;
    if (this.pause.on && this.phase !== "starting") {
      this.#stale = true;
      return index.version;
    }
    this.#holding = this.phase === "ready" && index.state === "loading" && index.logdir === this.logdir;
    this.#take(index);
    if (!this.#holding) this.series.doubtAll();
    this.others++;
    this.facts.ask(true);
    this.metrics.hear();
    this.sidecar.hear();
    return index.version;
  }

  #take(index: Index): void {
    if (this.#holding && index.state === "loading") return;
    if (this.#holding) {
      this.#holding = false;
      this.series.doubtAll();
    }
    this.series.loading = index.state === "loading";
    this.series.noteIndex(index, index.version < this.#version);
    this.#version = Math.max(this.#version, index.version);
    this.#index = index;
  }

  #change(change: Change): void {
    if (change.sidecar !== undefined) this.sidecar.hear(change.sidecar);
    if (this.pause.on) return this.pause.hold(change, (tag, run) => this.series.known(tag, run));
    this.#version = Math.max(this.#version, change.version);
    if (!this.#holding) for (const news of change.series ?? []) this.series.note(...news);
    if (change.others || change.series === null) this.others++;
    if (change.structure || change.series === null) void this.#refresh();
    if (change.structure || change.series?.length !== 0) this.facts.ask(change.structure);
    this.metrics.hear(change);
  }

  async #refresh(): Promise<void> {
    this.#again = true;
    if (this.#fetching) return;
    this.#fetching = true;
    while (this.#again) {
      this.#again = false;
      const start = performance.now();
      const loading = this.phase === "loading";
      try {
        this.#take(await fetchIndex(false, loading ? LOADING_S : 0));
      } catch {
        // The live connection to the same server breaks too, and begins anew with an index.
        break;
      }
      // One that waited has taken its time already.
      const pause = loading ? INDEX_PAUSE_MS : Math.max(INDEX_PAUSE_MS, (performance.now() - start) * INDEX_SHARE);
      await new Promise((done) => setTimeout(done, pause));
    }
    this.#fetching = false;
  }
}
