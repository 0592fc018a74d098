import { byHparam, byNumbers, type Colouring } from "../../app/runs/colouring";
import { sorted } from "../../app/runs/columns";
import { subjectsOf } from "../../app/runs/subject";
import { ALL, type Selection } from "../../app/selection";
import type { View } from "../../app/view.svelte";
import type { Board } from "../../data/board.svelte";
import { axisOf, type Axis } from "./axes";
import { passes, type Brush, type Brushes } from "./brush";
import { fieldOf, metricOf, usualFields, type Field } from "./fields";
import { rowsOf, type Row } from "./rows";
import * as settings from "./settings";
import { metricsOf, trialsOf, TrialSubject } from "./trials";

const TICKS = 6;
/** Up to so many rows have a hue each that one can tell. */
const MOST_HUES = 10;

/** Rows and columns of the dashboard, and what a person does with them. */
export class Sheet {
  readonly #board: Board;
  readonly #view: View;
  /** The row under the pointer, wherever that is. */
  hovered = $state<string | null>(null);
  /** A brush that is being dragged. */
  draft = $state.raw<Brushes | null>(null);
  /** The ticks before the first brush. */
  #before: Selection | null = null;
  /** The brushes that ticked runs last, and the rows that they let through. */
  #applied = { brushes: "", passing: "" };

  readonly trials = $derived.by(() => trialsOf(this.#board.names, (run) => this.#board.facts.of(run)));
  readonly withoutHparams = $derived.by(() => this.trials.filter(({ bare }) => bare).length);
  readonly metrics = $derived.by(() => metricsOf(this.trials, this.#board.scalars));
  readonly ids = $derived.by(() => {
    if (settings.fields.value.length > 0) return [...new Set(settings.fields.value)];
    const named = this.trials.filter(({ bare }) => !bare);
    return usualFields(this.differing.length > 0 ? this.differing : [...this.#board.facts.hparams.keys()], metricsOf(named, this.#board.scalars));
  });
  /** Hyperparameters that have two values, or that some trials have not. */
  readonly differing = $derived.by(() => {
    const { facts } = this.#board;
    const having = new Map<string, number>();
    const named = this.trials.filter(({ bare }) => !bare);
    for (const { run } of named) for (const name of Object.keys(facts.of(run)?.hparams ?? {})) having.set(name, (having.get(name) ?? 0) + 1);
    return [...facts.hparams].filter(([name, { values }]) => (values > 1 || having.get(name) !== named.length) && !this.but?.has(name)).map(([name]) => name);
  });
  readonly but = $derived.by(() => (settings.together.value ? new Set(settings.seedBut.value) : null));

  readonly fields = $derived.by(() => this.ids.map((id) => this.field(id)).filter((field): field is Field => field !== null));
  /** Those that are not shown, and are sorted, coloured or brushed by. */
  readonly #beside = $derived.by(() => {
    const shown = new Set(this.ids);
    const ids = [settings.sortedBy.value.replace(/^-/, ""), settings.colouredBy.value.replace(/^run$/, ""), settings.target.value, ...Object.keys(settings.brushes.value)];
    return [...new Set(ids)].filter((id) => !shown.has(id)).map((id) => this.field(id)).filter((field): field is Field => field !== null);
  });
  readonly hparamFields = $derived.by(() => this.differing.flatMap((name) => this.field(`hp:${name}`) ?? []));
  /** The tags whose figures are needed. */
  readonly tags = $derived.by(() => {
    const tags = [...this.fields, ...this.#beside].map(({ id }) => metricOf(id)?.tag).filter((tag) => tag !== undefined);
    return [...new Set(tags)].sort();
  });

  readonly all = $derived.by(() => {
    const subjects = subjectsOf(this.#board);
    const matching = new Set(this.#view.matching);
    const listed = this.trials.filter(({ bare, members }) => (settings.bare.value || !bare) && members.some(({ run }) => matching.has(run)));
    const needed = new Map([...this.fields, ...this.#beside, ...this.hparamFields].map((field) => [field.id, field]));
    return rowsOf(
      listed.map((trial) => new TrialSubject(trial, subjects.of)),
      [...needed.values()],
      this.but,
      settings.middle.value,
    );
  });
  readonly byKey = $derived.by(() => new Map(this.all.map((row) => [row.key, row])));
  readonly rowOf = $derived.by(() => new Map(this.all.flatMap((row) => row.runs.map((run) => [run, row.key] as const))));
  readonly rows = $derived.by(() => {
    const by = settings.sortedBy.value;
    const id = by.replace(/^-/, "");
    if (id === "") return this.all;
    const keys = this.all.map(({ key }) => key);
    if (id === "run") return by.startsWith("-") ? [...this.all].reverse() : this.all;
    const value = id === "runs" ? (key: string) => this.byKey.get(key)?.trials.length : (key: string) => this.byKey.get(key)?.values.get(id);
    return sorted(keys, value, by.startsWith("-")).flatMap((key) => this.byKey.get(key) ?? []);
  });
  readonly axes = $derived.by(() => {
    const all = [...this.fields, ...this.#beside];
    return new Map<string, Axis>(all.map(({ id }) => [id, axisOf(this.all.map(({ values }) => values.get(id)), settings.scales.value[id], TICKS)]));
  });

  /** Keys of the rows of which a run is ticked; while a brush is dragged, of those that it lets through. */
  readonly ticked = $derived.by(() => {
    if (this.draft) return this.passing(this.draft);
    const { drawn } = this.#view;
    return new Set(this.all.filter(({ runs }) => runs.some((run) => drawn.has(run))).map(({ key }) => key));
  });

  /** The column that colours the rows; none where each has the colour of its run. */
  readonly colouredBy = $derived.by((): string => {
    const wanted = settings.colouredBy.value;
    if (wanted !== "") return wanted === "run" ? "" : wanted;
    return this.all.length > MOST_HUES ? (this.fields.find(({ metric }) => metric)?.id ?? "") : "";
  });
  readonly colouring = $derived.by((): Colouring | null => {
    const id = this.colouredBy;
    const field = id === "" ? null : this.field(id);
    if (!field) return null;
    const keys = this.all.map(({ key }) => key);
    const value = (key: string) => this.byKey.get(key)?.values.get(id);
    const number = (key: string): number | undefined => {
      const found = value(key);
      return typeof found === "number" ? found : undefined;
    };
    return field.metric || id === "started" || id === "duration" || id === "step" ? byNumbers(keys, number) : byHparam(keys, value);
  });
  readonly colourOf = $derived.by(() => {
    const { colouring } = this;
    const own = this.#view.colourOf;
    return (row: Row, dark: boolean): string => (colouring ? colouring.colourOf(row.key, dark) : own(row.runs[0], dark));
  });

  constructor(board: Board, view: View) {
    this.#board = board;
    this.#view = view;
  }

  field(id: string): Field | null {
    return fieldOf(id, (name) => this.#board.facts.hparams.get(name)?.numeric ?? false);
  }

  /** Whether all is there that rows are judged by. */
  get ready(): boolean {
    const { facts, metrics, phase } = this.#board;
    return phase === "ready" && facts.runs.size > 0 && this.tags.every((tag) => metrics.tags.has(tag));
  }

  passing(brushes: Brushes): Set<string> {
    const all = Object.entries(brushes);
    return new Set(this.all.filter(({ values }) => all.every(([id, brush]) => passes(brush, values.get(id)))).map(({ key }) => key));
  }

  /** Sets brushes, null takes one away; the runs that all of them let through are ticked, and no others. */
  brush(changed: Readonly<Record<string, Brush | null>>): void {
    this.draft = null;
    const old = settings.brushes.value;
    const kept = Object.entries({ ...old, ...changed }).filter((entry): entry is [string, Brush] => entry[1] !== null);
    if (Object.keys(old).length === 0) {
      if (kept.length === 0) return;
      this.#before = this.#view.selection;
    }
    settings.brushes.value = Object.fromEntries(kept);
    if (kept.length > 0) return this.#tick();
    this.#view.selection = this.#before ?? ALL;
    this.#before = null;
  }

  clear(): void {
    this.brush(Object.fromEntries(Object.keys(settings.brushes.value).map((id) => [id, null])));
  }

  #tick(): void {
    const passing = this.passing(settings.brushes.value);
    this.#applied = this.#standing(passing);
    this.#view.selection = { mode: "only", names: new Set(this.all.filter(({ key }) => passing.has(key)).flatMap(({ runs }) => runs)) };
  }

  /** Ticks anew what brushes let through when that has changed: a run came in, or its loss went down. */
  follow(): void {
    if (!this.ready || Object.keys(settings.brushes.value).length === 0) return;
    const now = this.#standing(this.passing(settings.brushes.value));
    // Brushes that an address brought came with its ticks.
    if (now.brushes !== this.#applied.brushes) this.#applied = now;
    else if (now.passing !== this.#applied.passing) this.#tick();
  }

  #standing(passing: ReadonlySet<string>): { brushes: string; passing: string } {
    return { brushes: JSON.stringify(settings.brushes.value), passing: [...passing].sort().join("\n") };
  }

  tick(row: Row, on: boolean): void {
    this.#view.tick(row.runs, on);
  }

  move(id: string, to: number): void {
    const ids = this.fields.map((field) => field.id).filter((other) => other !== id);
    settings.fields.value = ids.toSpliced(Math.min(ids.length, Math.max(0, to)), 0, id);
  }

  hide(id: string): void {
    settings.fields.value = this.fields.map((field) => field.id).filter((other) => other !== id);
    if (Object.hasOwn(settings.brushes.value, id)) this.brush({ [id]: null });
  }

  show(id: string, on: boolean): void {
    if (on) settings.fields.value = [...this.ids.filter((other) => other !== id), id];
    else this.hide(id);
  }

  sort(id: string): void {
    const by = settings.sortedBy.value;
    settings.sortedBy.value = by === id ? `-${id}` : by === `-${id}` ? "" : id;
  }

  rescale(id: string, scale: settings.Scale): void {
    settings.scales.value = { ...settings.scales.value, [id]: scale };
  }
}
