import { Smoother, type Smoothing } from "../../chart/smooth";
import { stretchesOf } from "../../chart/stretches";
import type { Trace } from "../../chart/trace";
import { meansOf } from "../../data/means";
import type { ColumnsOf, Joining, Part } from "./lines";
import { together } from "./seeds";
import type { Recipe } from "./traces";

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

/** Makes the lines of runs that belong together. */
export class SeedLines {
  #groups = new Map<string, Group>();

  /**
   * The lines of all groups.
   *
   * @param traces makes the lines of the runs from some columns, as they are.
   * @param onData is called when the server has worked something out.
   */
  build(
    part: Part,
    columnsOf: ColumnsOf,
    recipe: Recipe,
    joining: Joining,
    traces: (columnsOf: ColumnsOf, recipe: Recipe) => Trace[],
    onData: () => void,
  ): Trace[] {
    const { groups, centre, band } = joining;
    if (!groups) return traces(columnsOf, recipe).map((trace) => this.#alone(part.tag, trace, columnsOf, recipe, joining, onData));
    const means: ColumnsOf = (tag, run) => {
      const columns = columnsOf(tag, run);
      return columns && meansOf(columns);
    };
    const raw = traces(means, { ...recipe, smooth: null });
    const byRun = new Map(raw.map((trace) => [trace.name, trace]));
    const byStep = recipe.across.kind === "step";
    const found: Trace[] = [];
    let lone: Map<string, Trace> | undefined;
    for (const { name, runs } of groups) {
      const members = runs.flatMap((run) => byRun.get(run) ?? []);
      if (members.length === 0) continue;
      const key = `${part.tag}\n${name}`;
      let group = this.#groups.get(key);
      if (!group) this.#groups.set(key, (group = new Group()));
      const [{ colour, label }] = members;
      const look = { name: runs.length > 1 ? `${name} (${members.length})` : name, colour, ...(runs.length === 1 && label && { label }) };
      const exact = this.#exact(part.tag, members, columnsOf, recipe, joining, onData);
      if (exact) {
        found.push({ ...look, ...exact, runs: members.map(({ name }) => name) });
        continue;
      }
      const [{ name: only }] = members;
      if (members.length === 1 && columnsOf(part.tag, only)?.buckets) {
        // Averages of buckets would lose the extremes of a run that is drawn by itself.
        lone ??= new Map(traces(columnsOf, recipe).map((trace) => [trace.name, trace]));
        found.push({ ...lone.get(only)!, ...look, run: only });
        continue;
      }
      const editions = members.map(({ name }) => columnsOf(part.tag, name)?.edition);
      const made = [...members.flatMap(({ x, raw, n, origin }) => [x, raw, n, origin]), ...editions, centre, band, byStep, look.name, look.label, colour];
      const trace = group.trace(made, () => together(members, byStep, look, centre, band));
      found.push(recipe.smooth ? group.smoothed(trace, recipe.smooth) : trace);
    }
    return found;
  }

  /** The line of one run over another tag, of both of which the page may hold some points only. */
  #alone(tag: string, trace: Trace, columnsOf: ColumnsOf, recipe: Recipe, joining: Joining, onData: () => void): Trace {
    const exact = this.#exact(tag, [trace], columnsOf, recipe, { ...joining, centre: "mean", band: "none" }, onData);
    if (!exact) return trace;
    const { buckets: _, stretches, ...look } = trace;
    const { count: __, ...line } = exact;
    return { ...look, ...line, ...(stretches && { stretches: stretchesOf(line.step, line.n, recipe.superseded) }) };
  }

  /** What the server makes of a group of which the page does not hold every point; null where it does, or until it comes. */
  #exact(tag: string, members: readonly Trace[], columnsOf: ColumnsOf, recipe: Recipe, { centre, band, exact }: Joining, onData: () => void) {
    const { across, superseded, smooth, part = null, bent = false } = recipe;
    const { kind, tags } = across;
    const byTag = kind === "value";
    if ((!byTag && members.length < 2) || !exact) return null;
    const held = members.flatMap(({ name }) => [tag, ...tags].map((one) => columnsOf(one, name))).map((columns) => columns?.whole ?? columns);
    if (!held.some((columns) => columns?.buckets)) return null;
    const x = across.first ? "first" : byTag ? "step" : kind;
    const runs = members.map(({ name }) => name);
    const asked = { tag, runs, centre, band, x, ...(byTag && { across: tags }), superseded, smooth, log: bent && x !== "wall" } as const;
    const grown = held.map((columns) => `${columns?.points} ${columns?.edition}`).join();
    const found = exact.of(asked, grown, part, onData);
    if (!found) return null;
    return { ...found.line, ...(found.line !== found.whole && { whole: { name: "", colour: "", ...found.whole } }) };
  }
}
