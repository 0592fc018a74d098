import { joined } from "../../chart/join";
import type { Trace } from "../../chart/trace";
import type { Columns } from "../../data/columns";
import type { ExactSeeds } from "./exact";
import type { SeedGroup } from "./seedgroups";
import type { SeedLines } from "./seedlines";
import type { BandKind, Centre } from "./settings";
import { Traces, type Recipe } from "./traces";

/** One tag of a chart. */
export interface Part {
  tag: string;
  runs: readonly string[];
  /** Strokes and gaps in pixels, so that tags are told apart where colours tell runs. */
  dash?: readonly number[];
  /** Tags whose values are the edges of a band around this one's. */
  lower?: string;
  upper?: string;
}

/** How runs that belong together are drawn as one. */
export interface Joining {
  /** Null where each run is a line of its own, over another tag. */
  groups: readonly SeedGroup[] | null;
  centre: Centre;
  band: BandKind;
  /** Makes what works them out, whose code is fetched when the first group is drawn. */
  lines: () => SeedLines;
  /** Asks the server for those of which the page does not hold every point. */
  exact?: ExactSeeds;
}

export type ColumnsOf = (tag: string, run: string) => Columns | undefined;

/** Makes the lines of a chart of one tag or several, run by run or group by group. */
export class Lines {
  #traces = new Map<string, Traces>();
  #seeds: SeedLines | null = null;
  #onData: () => void;

  /** `onData` is called when the server has worked something out that a chart is to show. */
  constructor(onData: () => void = () => {}) {
    this.#onData = onData;
  }

  build(parts: readonly Part[], columnsOf: ColumnsOf, recipe: Recipe, joining: Joining | null): Trace[] {
    const several = parts.length > 1;
    return parts.flatMap((part) => {
      const banded = part.lower !== undefined || part.upper !== undefined;
      const traces = banded ? this.#banded(part, columnsOf, recipe) : joining ? this.#joined(part, columnsOf, recipe, joining) : this.#single(part, columnsOf, recipe);
      if (!several && !part.dash) return traces;
      return traces.map((trace) => ({
        ...trace,
        run: trace.name,
        name: several ? `${trace.name} · ${part.tag}` : trace.name,
        ...(several && trace.label && { label: `${trace.label} · ${part.tag}` }),
        ...(part.dash && { dash: part.dash }),
      }));
    });
  }

  #single({ tag, runs }: Part, columnsOf: ColumnsOf, recipe: Recipe): Trace[] {
    let traces = this.#traces.get(tag);
    if (!traces) this.#traces.set(tag, (traces = new Traces()));
    return traces.build(tag, runs, columnsOf, recipe);
  }

  /** Values between bounds that other tags have at the same steps, or had last before them. */
  #banded(part: Part, columnsOf: ColumnsOf, recipe: Recipe): Trace[] {
    const { lower = part.tag, upper = part.tag } = part;
    return this.#single(part, columnsOf, recipe).map((trace) => {
      const [low, high] = [lower, upper].map((tag) => {
        const bound = columnsOf(tag, trace.name);
        return bound && joined(trace.step, trace.n, bound);
      });
      return low && high ? { ...trace, low, high } : trace;
    });
  }

  #joined(part: Part, columnsOf: ColumnsOf, recipe: Recipe, joining: Joining): Trace[] {
    this.#seeds ??= joining.lines();
    return this.#seeds.build(part, columnsOf, recipe, joining, (of, how) => this.#single(part, of, how), this.#onData);
  }
}
