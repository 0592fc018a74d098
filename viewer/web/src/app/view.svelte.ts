import { HUES, hueColour } from "../chart/palette";
import type { Board } from "../data/board.svelte";
import { drawnHues, lastingHues } from "../data/hues";
import { Filter } from "./filter.svelte";
import { arranged } from "./runs/arranged";
import { RunFilter } from "./runs/filter.svelte";
import { hiddenShown } from "./runs/look";
import { subjectsOf } from "./runs/subject";
import { ALL, isOn, soloed, tick, tickAll, type Selection } from "./selection";
import { settings } from "./setting.svelte";
import { decode, MAX_SMOOTHING, RISES, SAVED_KEYS, written, type Axis, type Rise, type Saved } from "./url";

function toggled(set: readonly string[], name: string): string[] {
  return set.includes(name) ? set.filter((other) => other !== name) : [...set, name];
}

/** What a person chose to see of a board; the address holds the same. */
export class View {
  #board: Board;
  readonly runFilter: RunFilter;
  readonly tagFilter = new Filter();
  dash = $state("");
  smoothing = $state(0);
  axis = $state<Axis>("step");
  rise = $state<Rise>("linear");
  bent = $state(false);
  superseded = $state(false);
  selection = $state.raw<Selection>({ mode: "except", names: new Set() });
  folded = $state.raw<readonly string[]>([]);
  wide = $state.raw<readonly string[]>([]);
  /** Goes up when all zooms are to be given up. */
  resets = $state(0);
  /** The run under the pointer in the run list: charts bring it to the front. */
  pointed = $state<string | null>(null);

  /** Names of the runs that the filter lets through and nobody hid; those that somebody pinned in front. */
  readonly matching = $derived.by(() => arranged(this.runFilter.runs, this.#board.sidecar.sections.runs, hiddenShown.value));
  /** How many more there would be, had nobody hidden them. */
  readonly concealed = $derived.by(() => {
    const notes = this.#board.sidecar.sections.runs;
    return this.runFilter.runs.filter((run) => Object.hasOwn(notes, run) && notes[run].hidden).length;
  });
  /** Names of the runs to draw: let through and ticked. */
  readonly drawn = $derived.by(() => {
    const names = this.matching.filter((name) => isOn(this.selection, name));
    const before = [...this.#drawnBefore];
    // Facts came, or the order was worked out anew: charts of the same runs need not be drawn for that.
    if (names.length === before.length && names.every((name, i) => name === before[i])) return this.#drawnBefore;
    return (this.#drawnBefore = new Set(names));
  });
  #drawnBefore: ReadonlySet<string> = new Set();
  readonly #lasting = $derived.by(() => lastingHues(this.#board.arrivals, HUES.length));
  readonly hues = $derived.by(() =>
    drawnHues(
      this.#lasting,
      this.#board.arrivals.filter((name) => this.drawn.has(name)),
      HUES.length,
    ),
  );
  /** Colours runs by something else than each for itself. */
  painter = $state.raw<((run: string, dark: boolean) => string) | null>(null);
  /** Hues that runs drawn as one line share, while there are such. */
  shared = $state.raw<ReadonlyMap<string, number> | null>(null);
  /** The colour of a run everywhere: in lists, charts and what is saved of them. */
  readonly colourOf = $derived.by(() => {
    const { shared, painter } = this;
    const hues = shared ?? this.hues;
    const notes = this.#board.sidecar.sections.runs;
    return (run: string, dark: boolean): string => {
      const own = !shared && Object.hasOwn(notes, run) ? notes[run].colour : undefined;
      return own ?? (painter && !shared ? painter(run, dark) : hueColour(hues.get(run) ?? 0, dark));
    };
  });

  constructor(board: Board, hash: string) {
    this.#board = board;
    this.runFilter = new RunFilter(() => board.names, subjectsOf(board));
    this.restore(hash);
  }

  restore(hash: string): void {
    const saved = decode(hash);
    settings.read(new URLSearchParams(hash.replace(/^#/, "")), SAVED_KEYS);
    this.dash = saved.dash;
    this.runFilter.set(saved.runs);
    this.tagFilter.set(saved.tags);
    this.smoothing = saved.smoothing;
    this.axis = saved.axis;
    this.rise = saved.rise;
    this.bent = saved.bent;
    this.superseded = saved.superseded;
    this.selection = saved.selection;
    this.folded = saved.folded;
    this.wide = saved.wide;
  }

  get hash(): string {
    const saved: Saved = {
      dash: this.dash,
      runs: this.runFilter.text,
      tags: this.tagFilter.text,
      smoothing: this.smoothing,
      axis: this.axis,
      rise: this.rise,
      bent: this.bent,
      superseded: this.superseded,
      selection: this.selection,
      folded: this.folded,
      wide: this.wide,
    };
    const params = written(saved);
    settings.write(params);
    return params.toString();
  }

  isOn(run: string): boolean {
    return isOn(this.selection, run);
  }

  /** Ticks or unticks one run, or all the given ones. */
  tick(runs: string | readonly string[], on: boolean): void {
    this.selection = tick(this.selection, typeof runs === "string" ? [runs] : runs, on);
  }

  /** Ticks or unticks all runs that the filter lets through. */
  tickMatching(on: boolean): void {
    const everything = this.matching.length === this.#board.names.length;
    this.selection = tickAll(this.selection, this.matching, on, everything);
  }

  solo(run: string): void {
    this.selection = soloed(this.selection, run, this.#board.names);
  }

  /** Only these runs; asked again when they stand alone, all of them. */
  soloAll(runs: readonly string[]): void {
    const wanted = new Set(runs);
    const alone = this.#board.names.every((name) => isOn(this.selection, name) === wanted.has(name));
    this.selection = alone ? ALL : { mode: "only", names: wanted };
  }

  smooth(weight: number): void {
    const hundredths = Math.round(weight * 100) / 100;
    this.smoothing = Math.min(MAX_SMOOTHING, Math.max(0, hundredths));
  }

  /** The next way for values to go up. */
  turnRise(): void {
    this.rise = RISES[(RISES.indexOf(this.rise) + 1) % RISES.length];
  }

  fold(group: string): void {
    this.folded = toggled(this.folded, group);
  }

  widen(tag: string): void {
    this.wide = toggled(this.wide, tag);
  }
}
