/**
 * One training is often several runs: torch's add_hparams writes metrics to a run below, named by the time, and Keras
 * has its hyperparameters in one run and its scalars in two below it. A trial takes them in as TensorBoard's sessions do.
 */
import type { Subject } from "../../app/runs/subject";
import type { Hparam, RunFact } from "../../data/facts";
import type { Figures } from "../../data/metrics";

export interface Trial {
  /** The run that has the hyperparameters; of a trial without any, the run. */
  run: string;
  bare: boolean;
  /** All of its runs, the first one it; by the part of their names that is not the trial's, or "" for torch's. */
  members: readonly { run: string; group: string }[];
}

/** In the order of the names. */
export function trialsOf(names: readonly string[], factOf: (run: string) => RunFact | undefined): Trial[] {
  const members = new Map<string, { run: string; group: string }[]>();
  for (const name of names) {
    const fact = factOf(name);
    if (fact && fact.hparams_of === undefined && Object.keys(fact.hparams).length > 0) members.set(name, [{ run: name, group: "" }]);
  }
  const trials: Trial[] = [];
  for (const name of names) {
    const own = members.get(name);
    if (own) {
      trials.push({ run: name, bare: false, members: own });
      continue;
    }
    const of = factOf(name)?.hparams_of;
    const above = of !== undefined && members.has(of) ? of : nearest(name, members);
    if (above === null) trials.push({ run: name, bare: true, members: [{ run: name, group: "" }] });
    else members.get(above)?.push({ run: name, group: above === of ? "" : name.slice(above.length + 1) });
  }
  return trials;
}

function nearest(name: string, sessions: ReadonlyMap<string, unknown>): string | null {
  for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
    if (sessions.has(name.slice(0, end))) return name.slice(0, end);
  }
  return null;
}

export interface Metric {
  /** The run below a trial's own, or "". */
  group: string;
  tag: string;
  /** How many trials have it. */
  trials: number;
}

/** Every scalar of every trial, those that most trials have first. */
export function metricsOf(trials: readonly Trial[], scalars: ReadonlyMap<string, readonly string[]>): Metric[] {
  const places = new Map(trials.flatMap((trial, at) => trial.members.map(({ run, group }) => [run, { at, group }] as const)));
  const found = new Map<string, Metric & { seen: Set<number> }>();
  for (const [tag, runs] of scalars) {
    for (const run of runs) {
      const place = places.get(run);
      if (!place) continue;
      const key = JSON.stringify([place.group, tag]);
      const metric = found.get(key) ?? { group: place.group, tag, trials: 0, seen: new Set() };
      found.set(key, metric);
      metric.seen.add(place.at);
    }
  }
  return [...found.values()].map(({ group, tag, seen }) => ({ group, tag, trials: seen.size })).sort((a, b) => b.trials - a.trials);
}

/** A trial as columns ask it: times and steps over all its runs. */
export class TrialSubject implements Subject {
  readonly #own: Subject;
  readonly #others: readonly { subject: Subject; group: string }[];

  constructor(
    readonly trial: Trial,
    of: (run: string) => Subject,
  ) {
    this.#own = of(trial.run);
    this.#others = trial.members.slice(1).map(({ run, group }) => ({ subject: of(run), group }));
  }

  get run(): string {
    return this.#own.run;
  }

  /** A run that writes no more is not stalled as long as one below it runs. */
  get status(): string | undefined {
    const { status } = this.#own;
    if (status === "finished" || status === "failed") return status;
    return this.#others.some(({ subject }) => subject.status === "running") ? "running" : status;
  }

  #all(of: (subject: Subject) => number | undefined): number[] {
    return [this.#own, ...this.#others.map(({ subject }) => subject)].map(of).filter((value) => value !== undefined);
  }

  get started(): number | undefined {
    const all = this.#all(({ started }) => started);
    return all.length > 0 ? Math.min(...all) : undefined;
  }

  get ended(): number | undefined {
    const all = this.#all(({ ended }) => ended);
    return all.length > 0 ? Math.max(...all) : undefined;
  }

  get lastStep(): number | undefined {
    const all = this.#all(({ lastStep }) => lastStep);
    return all.length > 0 ? Math.max(...all) : undefined;
  }

  get path(): string | undefined {
    return this.#own.path;
  }

  get title(): string | undefined {
    return this.#own.title;
  }

  get note(): string | undefined {
    return this.#own.note;
  }

  get labels(): readonly string[] {
    return this.#own.labels;
  }

  get hparams(): Readonly<Record<string, Hparam>> {
    return this.#own.hparams;
  }

  figures = (tag: string): Figures | undefined => this.figuresIn("", tag);

  /** Of a scalar in the run of this group; the trial's own goes before torch's run beside it. */
  figuresIn(group: string, tag: string): Figures | undefined {
    const own = group === "" ? this.#own.figures(tag) : undefined;
    if (own) return own;
    for (const other of this.#others) {
      const found = other.group === group ? other.subject.figures(tag) : undefined;
      if (found) return found;
    }
    return undefined;
  }
}
