import { getContext, setContext } from "svelte";
import { Levels, idealGrid } from "./levels";
import * as dashboard from "../../settings";
import { said, type Chosen } from "../../wire";
import { around, between, kept, moved, revealing, same, zoomed, type Span } from "./camera";
import { acrossFrom } from "./flows";
import type { Hit, Reading } from "./hit";
import { laneBox, rowsOf, tracksAsked, within, type Rows } from "./rows";
import * as settings from "./settings";
import { fetchFound, fetchLevel, fetchOne, fetchOutline, fetchSum, fetchTracks, type Brief, type Found, type Outline, type Sum, type Told, type TrackPage } from "./wire";

/** A window that was moved is written into the address when it has rested so long. */
const REST_MS = 140;
const FLIGHT_MS = 190;
/** Beside the window as much again is asked for on each side, by its width. */
const BESIDE = 0.5;

/** What a trace has, what of it is seen, and what a person does with it. */
export class Desk {
  readonly chosen: Chosen;
  outline = $state.raw<Outline | null>(null);
  pages = $state.raw<readonly TrackPage[]>([]);
  failed = $state("");
  /** The window of time. */
  span = $state.raw<Span>({ low: 0, high: 1 });
  /** Of what is drawn, in pixels: all of it, and where time begins in it. */
  width = $state(0);
  height = $state(0);
  side = $state(0);
  top = $state(0);
  levels = new Levels({ low: 0, high: 1 });
  /** Goes up when an answer came. */
  version = $state(0);
  hovered = $state.raw<Hit | null>(null);
  /** What a curve is where the pointer is. */
  read = $state.raw<Reading | null>(null);
  told = $state.raw<Told | null>(null);
  sum = $state.raw<Sum | null>(null);
  found = $state.raw<Found | null>(null);
  unfound = $state("");
  /** The next drag selects. */
  selecting = $state(false);
  /** Asks the scroller to show a height. */
  scrollTo: (y: number) => void = () => undefined;
  #control = new AbortController();
  #asked = "";
  #flight = false;
  #again = false;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;
  #saved: Span | null = null;

  constructor(chosen: Chosen) {
    this.chosen = chosen;
  }

  readonly whole: Span = $derived(this.outline ? { low: this.outline.low, high: Math.max(this.outline.high, this.outline.low + 5) } : { low: 0, high: 1 });
  readonly search = $derived(settings.query.value === "" ? "" : `${settings.regex.value ? "r" : "t"}${settings.query.value}`);
  readonly foldedSet: ReadonlySet<string> = $derived(new Set(settings.folded.value));
  readonly rows: Rows = $derived(rowsOf(this.pages, this.outline?.counters ?? [], this.foldedSet, this.side === 0));
  readonly plot = $derived(Math.max(1, this.width - this.side));
  readonly more = $derived(this.pages.length > 0 && this.#known < this.pages[0].total);

  get #known(): number {
    const last = this.pages.at(-1);
    return last ? last.begin + last.name.length : 0;
  }

  async open(): Promise<void> {
    try {
      const outline = await fetchOutline(this.chosen, this.#control.signal);
      this.levels = new Levels({ low: outline.low, high: outline.high });
      this.outline = outline;
      this.pages = [outline.tracks];
      this.restore();
      if (settings.event.value !== null) this.look(settings.event.value);
    } catch (error) {
      if (!this.#control.signal.aborted) this.failed = said(error);
    }
  }

  /** Takes the window from the address, if it is another than the one that was written there. */
  restore(): void {
    const told = dashboard.window.value;
    const next = told ? kept({ low: told[0] * 1e3, high: told[1] * 1e3 }, this.whole) : this.whole;
    if (this.#saved && same(this.#saved, next)) return;
    clearTimeout(this.#rest);
    this.#saved = next;
    if (this.span.high - this.span.low <= 1) this.span = next;
    else this.#glide(next);
  }

  /** Shows a window at once. */
  show(span: Span): void {
    cancelAnimationFrame(this.#frame);
    this.span = kept(span, this.whole);
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.save(), REST_MS);
  }

  /** Goes to a window, so that one sees where it is. */
  fly(span: Span): void {
    const next = kept(span, this.whole);
    this.#saved = next;
    this.#write(next);
    this.#glide(next);
  }

  save(): void {
    this.#saved = this.span;
    this.#write(this.span);
  }

  #write(span: Span): void {
    dashboard.window.value = same(span, this.whole) ? null : [span.low / 1e3, span.high / 1e3];
  }

  #glide(to: Span): void {
    cancelAnimationFrame(this.#frame);
    const from = this.span;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return void (this.span = to);
    const began = performance.now();
    const step = (now: number): void => {
      const part = Math.min(1, Math.max(0, now - began) / FLIGHT_MS);
      this.span = between(from, to, 1 - (1 - part) ** 3);
      if (part < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  zoom(by: number, at = 0.5): void {
    this.show(zoomed(this.span, by, at, this.whole));
  }

  pan(by: number): void {
    this.show(moved(this.span, by, this.whole));
  }

  all(): void {
    this.fly(this.whole);
  }

  /** Asks for what the window shows, unless it is there. */
  ask(): void {
    const { outline, rows, top, height, span, plot } = this;
    if (!outline || height === 0 || this.width === 0) return;
    const visible = within(rows, top, top + height);
    const tracks = visible.flatMap((row) => (row.kind === "track" ? [row.track] : []));
    if (this.#known < outline.tracks.total && top + 2 * height > rows.height) void this.#page();
    if (this.levels.enough(tracks, span, plot, this.search)) return;
    if (this.#flight) return void (this.#again = true);
    const around = within(rows, top - height * 0.6, top + height * 1.6);
    const lanes = around.reduce((total, row) => total + (row.kind === "track" ? row.shown : 0), 0);
    const wide = span.high - span.low;
    const [from, to] = [Math.max(span.low - wide * BESIDE, outline.low), Math.min(span.high + wide * BESIDE, outline.high)];
    const asked = {
      from,
      to,
      pixels: Math.max(1, Math.ceil((plot * (to - from)) / wide)),
      tracks: tracksAsked(lanes > 700 ? visible : around),
      counters: outline.counters.map(({ id }) => id).join(","),
      query: settings.query.value,
      regex: settings.regex.value,
    };
    const key = JSON.stringify(asked);
    if (key === this.#asked) return;
    this.#asked = key;
    this.#flight = true;
    const grid = idealGrid(span, plot);
    const { search } = this;
    fetchLevel(this.chosen, asked, this.#control.signal)
      .then(
        (level) => {
          this.levels.add({ level, grid, search });
          this.failed = "";
          this.version++;
        },
        (error: unknown) => {
          this.#asked = "";
          if (!this.#control.signal.aborted) this.failed = said(error);
        },
      )
      .finally(() => {
        this.#flight = false;
        if (!this.#again) return;
        this.#again = false;
        this.ask();
      });
  }

  #paging = false;
  async #page(): Promise<void> {
    if (this.#paging) return;
    this.#paging = true;
    try {
      this.pages = [...this.pages, await fetchTracks(this.chosen, this.#known, this.#control.signal)];
    } catch (error) {
      if (!this.#control.signal.aborted) this.failed = said(error);
    } finally {
      this.#paging = false;
    }
  }

  /** Looks at an event; its facts come a moment later. */
  look(row: number | null): void {
    settings.event.value = row;
    if (row === null) return void (this.told = null);
    if (this.told?.row === row) return;
    fetchOne(this.chosen, row, this.#control.signal).then(
      (told) => {
        if (settings.event.value === row) this.told = told;
      },
      (error: unknown) => {
        if (!this.#control.signal.aborted) this.failed = said(error);
      },
    );
  }

  /** Goes to an event and looks at it. */
  async go(one: Brief): Promise<void> {
    while (one.track >= this.#known && this.more) await this.#page();
    const page = this.pages.findLast(({ begin }) => begin <= one.track);
    const group = page?.groups[page.group[one.track - page.begin]].name ?? "";
    const closed = settings.folded.value.filter((name) => name !== group && name !== String(one.track));
    if (closed.length < settings.folded.value.length) settings.folded.value = closed;
    this.look(one.row);
    this.fly(revealing(this.span, { low: one.start, high: one.end }, this.whole));
    const row = this.rows.ofTrack.get(one.track);
    if (!row) return;
    const { y, height } = laneBox(row, one.lane);
    if (y < this.top + 30 || y + height > this.top + this.height - 20) this.scrollTo(Math.max(0, y - this.height / 2));
  }

  /** To the event that is looked at, or to what is selected. */
  focus(): void {
    const { told } = this;
    const range = settings.selection.value;
    if (told) this.fly(around({ low: told.start, high: told.end }, this.whole, 1.25));
    else if (range) this.fly(around(range, this.whole, 1.05));
    else this.all();
  }

  toggle(name: string): void {
    const { value } = settings.folded;
    settings.folded.value = value.includes(name) ? value.filter((one) => one !== name) : [...value, name];
  }

  /** To what holds the event that is looked at, or to what it launched. */
  climb(by: -1 | 1): void {
    const { told } = this;
    const one = by < 0 ? (told?.path.at(-1) ?? told?.launcher) : told?.launched.first[0];
    if (one && one.row !== told?.row) void this.go(one);
  }

  /** From the forward pass to what of the backward pass belongs to it, and back. */
  across(): void {
    const one = this.told && acrossFrom(this.told);
    if (one) void this.go(one);
  }

  /** To the event before or after in its lane, as far as they are drawn by themselves. */
  beside(by: -1 | 1): void {
    const { told } = this;
    const level = told && this.levels.best(told.track, this.span, this.plot, this.search);
    const lane = told && level?.lanes.get(told.track)?.get(told.lane);
    if (!told || !level || !lane) return;
    const { row, start, end, name, kind } = level.spans;
    const at = row.subarray(lane.spans[0], lane.spans[1]).indexOf(told.row) + lane.spans[0] + by;
    if (at < lane.spans[0] || at >= lane.spans[1]) return;
    const next = { row: row[at], name: level.names[name[at]] ?? "", kind: this.outline?.kinds[kind[at] & 127] ?? "", start: level.from + start[at], end: level.from + end[at] };
    void this.go({ ...next, track: told.track, lane: told.lane });
  }

  /** The step before or after the one in the middle, or that one where more than it is seen. */
  step(by: number): void {
    const steps = this.outline?.steps;
    if (!steps || steps.start.length === 0) return;
    const middle = (this.span.low + this.span.high) / 2;
    const wide = this.span.high - this.span.low;
    const at = steps.start.findLastIndex((start) => start <= middle);
    const whole = wide > (steps.end[Math.max(0, at)] - steps.start[Math.max(0, at)]) * 1.6;
    const next = whole ? Math.max(0, at) : Math.min(steps.start.length - 1, Math.max(0, at + by));
    this.goStep(next);
  }

  goStep(at: number): void {
    const steps = this.outline?.steps;
    if (steps && at >= 0 && at < steps.start.length) this.fly(around({ low: steps.start[at], high: steps.end[at] }, this.whole, 1.02));
  }

  /** What a search finds; `way` says which of it to go to. */
  async find(way: -1 | 0 | 1): Promise<void> {
    const [query, regex] = [settings.query.value, settings.regex.value];
    if (query === "") {
      this.found = null;
      this.unfound = "";
      return;
    }
    const row = settings.event.value;
    try {
      const found = await fetchFound(this.chosen, query, regex, { near: this.span.low, ...(row === null ? {} : { row }), way }, this.#control.signal);
      if (query !== settings.query.value || regex !== settings.regex.value) return;
      this.found = found;
      this.unfound = "";
      if (way !== 0 && found.event) await this.go(found.event);
    } catch (error) {
      if (this.#control.signal.aborted) return;
      this.found = null;
      this.unfound = said(error);
    }
  }

  /** Adds up what is selected. */
  async add(range: settings.Range | null): Promise<void> {
    if (!range) return void (this.sum = null);
    try {
      const sum = await fetchSum(this.chosen, range.low, range.high, range.tracks.length > 0 ? range.tracks.join(",") : "all", this.#control.signal);
      if (settings.selection.value === range) this.sum = sum;
    } catch (error) {
      if (!this.#control.signal.aborted) this.failed = said(error);
    }
  }

  end(): void {
    this.#control.abort();
    clearTimeout(this.#rest);
    cancelAnimationFrame(this.#frame);
  }
}

const KEY = Symbol("trace");

export function provideDesk(desk: Desk): Desk {
  setContext(KEY, desk);
  return desk;
}

export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}
