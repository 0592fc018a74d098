import type { FactsAnswer, Hparam, RunFact } from "./facts";
import { naturally } from "./order";
import { Paced } from "./paced";

const PAUSE_MS = 2_000;
/** A run turns from running to stalled by the clock alone, of which the server sends no news. */
const AGEING_MS = 30_000;

/** Status, hyperparameters and the like of every run, kept up to date. */
export class Facts {
  #fetch: () => Promise<FactsAnswer>;
  #paced = new Paced(() => this.#refresh(), PAUSE_MS);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** By name; a new map whenever anything changed. */
  runs = $state.raw<ReadonlyMap<string, RunFact>>(new Map());

  /** The names of all hyperparameters, and whether all values of each are numbers. */
  readonly hparams: ReadonlyMap<string, { numeric: boolean; values: number }> = $derived.by(() => {
    const seen = new Map<string, { numeric: boolean; values: Set<Hparam> }>();
    for (const { hparams } of this.runs.values()) {
      for (const [name, value] of Object.entries(hparams)) {
        const entry = seen.get(name) ?? { numeric: true, values: new Set() };
        entry.numeric &&= typeof value === "number";
        entry.values.add(value);
        seen.set(name, entry);
      }
    }
    const names = [...seen].sort(([a], [b]) => naturally(a, b));
    return new Map(names.map(([name, { numeric, values }]) => [name, { numeric, values: values.size }]));
  });

  constructor(fetch: () => Promise<FactsAnswer>) {
    this.#fetch = fetch;
  }

  of(run: string): RunFact | undefined {
    return this.runs.get(run);
  }

  /** Something changed, or may have; `soon` if there may be runs of which nothing is known. */
  ask(soon = false): void {
    this.#paced.ask(soon);
  }

  async #refresh(): Promise<void> {
    clearTimeout(this.#timer);
    let { pending, runs } = await this.#fetch();
    this.runs = new Map(Object.entries(runs));
    // The server answers before it has read all, and reads on only when it is asked.
    for (let left = Infinity; pending && pending < left; ) {
      left = pending;
      ({ pending, runs } = await this.#fetch());
      this.runs = new Map(Object.entries(runs));
    }
    if (pending) this.ask();
    else if ([...this.runs.values()].some(({ status }) => status === "running")) this.#age();
  }

  #age(): void {
    this.#timer = setTimeout(() => (document.hidden ? this.#age() : this.ask()), AGEING_MS);
  }
}
