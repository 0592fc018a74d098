import { joined } from "../../chart/join";
import { Smoother, type Smoothing } from "../../chart/smooth";
import type { Trace } from "../../chart/trace";
import { meansOf, type Columns } from "../../data/columns";
import type { ExactSeeds } from "./exact";
import type { SeedGroup } from "./seedgroups";
import type { together } from "./seeds";
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
  groups: readonly SeedGroup[];
  centre: Centre;
  band: BandKind;
  /** Comes with them, as its code is fetched when the first group is drawn. */
  together: typeof together;
  /** Asks the server for those of which the page does not hold every point. */
  exact?: ExactSeeds;
}

type ColumnsOf = (tag: string, run: string) => Columns | undefined;

class Group {
  #made: readonly unknown[] = [];
  #trace: Trace | null = null;
  #smoothers = [new Smoother(), new Smoother(), new Smoother()];
  #edition = 0;

  /** Works it out only when something it is made of changed. */
  trace(made: readonly unknown[], make: () => Trace): Trace {
    if (!this.#trace || made.length !== this.#made.length || made.some((one, i) => one !== this.#made[i])) {
      this.#made = made;
      this.#trace = make();
      this.#edition++;
    }
    return this.#trace;
  }

  /** The same, smoothed: the middle and the edges alike. */
  smoothed(trace: Trace, smooth: Smoothing): Trace {
    const [line, low, high] = [trace.raw, trace.low, trace.high].map(
      (values, i) => values && this.#smoothers[i].update(values, trace.n, smooth, this.#edition, trace.x),
    );
    return { ...trace, ...(line && { line }), ...(low && { low }), ...(high && { high }) };
  }
}

/** Makes the lines of a chart of one tag or several, run by run or group by group. */
export class Lines {
  #traces = new Map<string, Traces>();
  #groups = new Map<string, Group>();
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
    const { groups, centre, band, together } = joining;
    const means: ColumnsOf = (tag, run) => {
      const columns = columnsOf(tag, run);
      return columns && meansOf(columns);
    };
    const raw = this.#single(part, means, { ...recipe, smooth: null });
    const byRun = new Map(raw.map((trace) => [trace.name, trace]));
    const byStep = recipe.across.kind === "step";
    const found: Trace[] = [];
    for (const { name, runs } of groups) {
      const members = runs.flatMap((run) => byRun.get(run) ?? []);
      if (members.length === 0) continue;
      const key = `${part.tag}\n${name}`;
      let group = this.#groups.get(key);
      if (!group) this.#groups.set(key, (group = new Group()));
      const [{ colour, label }] = members;
      const look = { name: runs.length > 1 ? `${name} (${members.length})` : name, colour, ...(runs.length === 1 && label && { label }) };
      const exact = this.#exact(part.tag, members, columnsOf, recipe, joining);
      if (exact) {
        found.push({ ...look, ...exact, runs: members.map(({ name }) => name) });
        continue;
      }
      const editions = members.map(({ name }) => columnsOf(part.tag, name)?.edition);
      const made = [...members.flatMap(({ x, raw, n, origin }) => [x, raw, n, origin]), ...editions, centre, band, byStep, look.name, look.label, colour];
      const trace = group.trace(made, () => together(members, byStep, look, centre, band));
      found.push(recipe.smooth ? group.smoothed(trace, recipe.smooth) : trace);
    }
    return found;
  }

  /** What the server makes of a group of which the page does not hold every point; null where it does, or until it comes. */
  #exact(tag: string, members: readonly Trace[], columnsOf: ColumnsOf, recipe: Recipe, { centre, band, exact }: Joining) {
    const { across, superseded, smooth, part = null, bent = false } = recipe;
    const held = members.map(({ name }) => columnsOf(tag, name)).map((columns) => columns?.whole ?? columns);
    if (across.kind === "value" || members.length < 2 || !exact || !held.some((columns) => columns?.buckets)) return null;
    const x = across.first ? "first" : across.kind;
    const asked = { tag, runs: members.map(({ name }) => name), centre, band, x, superseded, smooth, log: bent && x !== "wall" } as const;
    const grown = held.map((columns) => `${columns?.points} ${columns?.edition}`).join();
    const found = exact.of(asked, grown, part, this.#onData);
    if (!found) return null;
    return { ...found.line, ...(found.line !== found.whole && { whole: { name: "", colour: "", ...found.whole } }) };
  }
}
