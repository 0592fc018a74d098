import { getContext, setContext } from "svelte";
import { along, centre, heardAxis, ranked, spherical, together, type Axis } from "./axes";
import { fetchMetadata, fetchNear, fetchPrincipal, fetchVectors, type Column, type Entry, type Near, type Principal, type VectorsAnswer, type Which } from "./fetch";
import { startServerTsne, startUmap, type Job, type Step } from "./jobs";
import { fitted } from "./places";
import { search, testOf } from "./search";
import * as settings from "./settings";
import { shadingOf, unshaded, usualColour } from "./shades";
import type { Atlas } from "./stage";

/** Rows that are shown of an embedding that has more, and that the slower ways take. */
const MOST = { pca: 100_000, axes: 100_000, umap: 20_000, tsne: 10_000 };

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The embedding that is looked at, what is known of its points, and what a person does with them. */
export class Desk {
  entry = $state.raw<Entry | null>(null);
  /** How many rows there are, and how many of them are shown. */
  rows = $state(0);
  shown = $state(0);
  columns = $state.raw<readonly Column[]>([]);
  /** The numbers of the shown rows, where these are not all. */
  row = $state.raw<Uint32Array | null>(null);
  /** Three numbers for each shown row, NaN for those without a place; null before there are any. */
  coordinates = $state.raw<Float32Array | null>(null);
  principal = $state.raw<Principal | null>(null);
  vectors = $state.raw<VectorsAnswer | null>(null);
  atlas = $state.raw<Atlas | null>(null);
  problems = $state.raw<readonly string[]>([]);
  /** Why there is no picture. */
  failed = $state("");
  loading = $state(false);
  /** A projection on its way. */
  step = $state.raw<Step | null>(null);
  jobProblem = $state("");
  near = $state.raw<Near | null>(null);
  nearProblem = $state("");
  hits = $state.raw<readonly number[] | null>(null);
  searching = $state(false);
  hovered = $state(-1);
  /** How many points have no place, because they are no numbers. */
  readonly placeless = $derived.by(() => {
    let count = 0;
    const all = this.coordinates;
    if (all) for (let i = 0; i < all.length; i += 3) if (!Number.isFinite(all[i] + all[i + 1] + all[i + 2])) count++;
    return count;
  });

  readonly most = $derived(MOST[settings.way.value]);
  readonly which = $derived.by<Which | null>(() => this.entry && { run: this.entry.run, name: this.entry.name, most: this.most });
  readonly fit = $derived.by(() => this.coordinates && fitted(this.coordinates));
  readonly colourColumn = $derived.by(() => (settings.colourBy.value === "" ? usualColour(this.columns) : this.column(settings.colourBy.value)));
  readonly labelColumn = $derived.by(() => this.column(settings.labelBy.value) ?? (settings.labelBy.value === "" ? (this.columns[0] ?? null) : null));
  readonly shading = $derived.by(() => (this.colourColumn ? shadingOf(this.colourColumn, settings.shades.value) : unshaded(this.shown)));
  readonly tested = $derived.by(() => testOf(settings.query.value, settings.regex.value));

  /** Where rows stand among the shown ones. */
  readonly #places = $derived.by(() => this.row && new Map(Array.from(this.row, (row, i) => [row, i])));
  readonly picked = $derived.by(() => this.placesOf(settings.picked.value));
  readonly alone = $derived.by(() => this.placesOf(settings.alone.value));
  readonly point = $derived.by(() => (settings.point.value === null ? -1 : (this.placesOf([settings.point.value])[0] ?? -1)));
  readonly neighbours = $derived.by(() => (this.near?.places ?? []).filter((place) => place >= 0));

  #job: Job | null = null;
  /** What the projections found, so that one can go back and forth. */
  #found = new Map<string, Float32Array>();
  #asked = new AbortController();

  column(name: string): Column | null {
    return this.columns.find((column) => column.name === name) ?? null;
  }

  /** The number of a shown row in the file. */
  numberOf(place: number): number {
    return this.row?.[place] ?? place;
  }

  placesOf(rows: readonly number[]): number[] {
    const places = this.#places;
    if (places) return rows.flatMap((row) => places.get(row) ?? []);
    return rows.filter((row) => row < this.shown);
  }

  labelOf(place: number): string {
    return this.labelColumn?.values[place] || `row ${this.numberOf(place).toLocaleString("en")}`;
  }

  /** Shows an embedding; another one's points stay away from it. */
  async open(entry: Entry | null, which: Which | null): Promise<void> {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.stop();
    this.#found.clear();
    this.failed = this.jobProblem = "";
    this.coordinates = this.principal = this.vectors = this.near = this.row = null;
    this.columns = [];
    this.hovered = -1;
    this.shown = this.rows = 0;
    if (!entry || !which) return;
    this.loading = true;
    try {
      const [metadata, principal] = await Promise.all([fetchMetadata(which, signal), fetchPrincipal(which, settings.spherical.value, signal)]);
      let { row } = principal;
      if (principal.shown < principal.rows && !row) row = (await this.#fetchVectors(which, signal)).row;
      if (signal.aborted) return;
      this.problems = metadata.problems;
      this.columns = metadata.columns;
      this.rows = metadata.rows;
      this.row = row;
      this.shown = metadata.shown;
      this.principal = principal;
    } catch (error) {
      if (!signal.aborted) this.failed = said(error);
    } finally {
      if (!signal.aborted) this.loading = false;
    }
  }

  async #fetchVectors(which: Which, signal: AbortSignal): Promise<VectorsAnswer> {
    const vectors = this.vectors ?? (await fetchVectors(which, signal));
    if (!signal.aborted) this.vectors = vectors;
    return vectors;
  }

  /** Projects again, as the settings say; what is under way already is given up. */
  async project(again = false): Promise<void> {
    const { which, principal } = this;
    if (!which || !principal) return;
    this.stop();
    this.jobProblem = "";
    const { signal } = this.#asked;
    try {
      if (settings.way.value === "pca") await this.#projectPrincipal(which, signal);
      else if (settings.way.value === "axes") await this.#projectAxes(which, signal);
      else {
        const key = this.#wish();
        const known = again ? undefined : this.#found.get(key);
        if (known) this.coordinates = known;
        else if (settings.way.value === "umap") await this.#startUmap(which, key, signal);
        else this.#startTsne(which, key);
      }
    } catch (error) {
      if (!signal.aborted) this.jobProblem = said(error);
    }
  }

  #wish(): string {
    const { way, flat, spherical, neighbours, spread, perplexity, rate } = settings;
    const own = way.value === "umap" ? [neighbours.value, spread.value] : [perplexity.value, rate.value];
    return [way.value, flat.value, spherical.value, ...own].join();
  }

  async #projectPrincipal(which: Which, signal: AbortSignal): Promise<void> {
    const spherical = settings.spherical.value;
    if (this.#sphere !== spherical) {
      const principal = await fetchPrincipal(which, spherical, signal);
      if (signal.aborted || settings.spherical.value !== spherical) return;
      this.principal = principal;
    }
    this.#sphere = spherical;
    const { points, components, shown } = this.principal!;
    const chosen = settings.components.value.map((one) => Number(one) - 1).slice(0, settings.flat.value ? 2 : 3);
    const all = new Float32Array(shown * 3);
    for (let k = 0; k < chosen.length; k++) {
      if (!(chosen[k] >= 0 && chosen[k] < components)) continue;
      for (let i = 0; i < shown; i++) all[3 * i + k] = points[i * components + chosen[k]];
    }
    this.coordinates = all;
  }
  #sphere = settings.spherical.value;

  async #projectAxes(which: Which, signal: AbortSignal): Promise<void> {
    const axes = [settings.across, settings.up, ...(settings.flat.value ? [] : [settings.deep])].map(({ value }) => heardAxis(value));
    const wanted = axes.some(({ kind }) => kind === "dimension" || kind === "way");
    const given = wanted ? await this.#fetchVectors(which, signal) : null;
    if (signal.aborted) return;
    const vectors = given && (settings.spherical.value ? spherical(given) : given);
    const problems: string[] = [];
    const columns = axes.map((axis): Float64Array | null => {
      if (axis.kind === "column") {
        const column = this.column(axis.name);
        return column && ranked(column);
      }
      if (!vectors || axis.kind === "none") return null;
      const { values, columns: width } = vectors;
      if (axis.kind === "dimension") return axis.at < width ? Float64Array.from({ length: this.shown }, (_, i) => values[i * width + axis.at]) : null;
      const [from, to] = [axis.from, axis.to].map((query) => (query ? centre(vectors, this.#hitsOf(query)) : null));
      if (!from || !to) {
        problems.push(`no point is found by “${from ? axis.to : axis.from}”`);
        return null;
      }
      return along(vectors, from, to);
    });
    this.jobProblem = problems.join("; ");
    this.coordinates = together(columns, this.shown);
  }

  /** The axis that two searches make, with how many points each found. */
  reach(axis: Axis & { kind: "way" }): [number, number] {
    return [this.#hitsOf(axis.from).length, this.#hitsOf(axis.to).length];
  }

  #hitsOf(query: string): number[] {
    const { test } = testOf(query, settings.regex.value);
    const columns = settings.searched.value ? [this.column(settings.searched.value)].filter((one) => one !== null) : this.columns;
    if (!test || query === "") return [];
    return Array.from({ length: this.shown }, (_, i) => i).filter((i) => columns.some(({ values }) => test(values[i])));
  }

  async #startUmap(which: Which, key: string, signal: AbortSignal): Promise<void> {
    this.step = { coordinates: null, done: null, what: "fetching vectors" };
    const given = await this.#fetchVectors(which, signal);
    if (signal.aborted || this.#wish() !== key) return;
    const { values, columns } = settings.spherical.value ? spherical(given) : given;
    const members: number[] = [];
    for (let row = 0; row < this.shown; row++) {
      let whole = true;
      for (let k = 0; whole && k < columns; k++) whole = Number.isFinite(values[row * columns + k]);
      if (whole) members.push(row);
    }
    if (members.length < 4) throw new Error("UMAP needs four points at least");
    const vectors = new Float32Array(members.length * columns);
    members.forEach((row, i) => vectors.set(values.subarray(row * columns, (row + 1) * columns), i * columns));
    const task = { vectors, columns, neighbours: settings.neighbours.value, spread: settings.spread.value, components: settings.flat.value ? (2 as const) : (3 as const) };
    const spaced = (coordinates: Float32Array): Float32Array => {
      const all = new Float32Array(this.shown * 3).fill(NaN);
      members.forEach((row, i) => all.set(coordinates.subarray(3 * i, 3 * i + 3), 3 * row));
      return all;
    };
    this.#run(key, (tell, end) => startUmap(task, (step) => tell({ ...step, coordinates: step.coordinates && spaced(step.coordinates) }), end));
  }

  #startTsne(which: Which, key: string): void {
    const wish = {
      ...which,
      dimensions: settings.flat.value ? (2 as const) : (3 as const),
      perplexity: settings.perplexity.value,
      learning_rate: settings.rate.value,
      sphereize: settings.spherical.value,
    };
    this.#run(key, (tell, end) => startServerTsne(wish, tell, end));
  }

  #run(key: string, start: (tell: (step: Step) => void, end: (problem: string | null) => void) => Job): void {
    this.step = { coordinates: null, done: null, what: "starting" };
    let last: Float32Array | null = null;
    const job = start(
      (step) => {
        this.step = step;
        if (step.coordinates) this.coordinates = last = step.coordinates;
      },
      (problem) => {
        if (this.#job !== job) return;
        this.#job = this.step = null;
        this.jobProblem = problem ?? "";
        if (last && !problem) this.#found.set(key, last);
      },
    );
    this.#job = job;
  }

  /** Gives up the projection that is under way; where it came to stays. */
  stop(): void {
    this.#job?.stop();
    this.#job = this.step = null;
  }

  end(): void {
    this.#asked.abort();
    this.stop();
    this.atlas?.image.close();
  }

  /** Asks for the neighbours of the chosen point; returns what gives that up. */
  ask(which: Which | null, row: number | null, k: number, metric: string): () => void {
    const control = new AbortController();
    this.near = null;
    this.nearProblem = "";
    if (which && row !== null) {
      fetchNear(which, row, k, metric, control.signal).then(
        (near) => (this.near = near),
        (error: unknown) => {
          if (!control.signal.aborted) this.nearProblem = said(error);
        },
      );
    }
    return () => control.abort();
  }

  /** Searches as the settings say; returns what stops it. */
  find(): () => void {
    const { test } = this.tested;
    this.hits = null;
    this.searching = false;
    if (settings.query.value === "" || !test || this.shown === 0) return () => undefined;
    const columns = settings.searched.value ? [this.column(settings.searched.value)].filter((one) => one !== null) : this.columns;
    this.searching = true;
    return search(columns, this.shown, test, (found, done) => {
      this.hits = found;
      this.searching = !done;
    });
  }

  choose(place: number): void {
    settings.point.value = place < 0 ? null : this.numberOf(place);
  }

  pick(places: readonly number[], more: boolean): void {
    const rows = new Set(more ? settings.picked.value : []);
    for (const place of places) rows.add(this.numberOf(place));
    settings.picked.value = [...rows];
  }

  isolate(places: readonly number[]): void {
    settings.alone.value = places.map((place) => this.numberOf(place)).sort((a, b) => a - b);
  }
}

const KEY = Symbol("projector");

export function provideDesk(desk: Desk): Desk {
  return setContext(KEY, desk);
}

export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}
