import { Smoother, type Smoothing } from "../../chart/smooth";
import type { Trace } from "../../chart/trace";
import { meansOf } from "../../data/columns";
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
    traces: (columnsOf: ColumnsOf) => Trace[],
    onData: () => void,
  ): Trace[] {
    const { groups, centre, band } = joining;
    const means: ColumnsOf = (tag, run) => {
      const columns = columnsOf(tag, run);
      return columns && meansOf(columns);
    };
    const raw = traces(means);
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
      const exact = this.#exact(part.tag, members, columnsOf, recipe, joining, onData);
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
  #exact(tag: string, members: readonly Trace[], columnsOf: ColumnsOf, recipe: Recipe, { centre, band, exact }: Joining, onData: () => void) {
    const { across, superseded, smooth, part = null, bent = false } = recipe;
    const held = members.map(({ name }) => columnsOf(tag, name)).map((columns) => columns?.whole ?? columns);
    if (across.kind === "value" || members.length < 2 || !exact || !held.some((columns) => columns?.buckets)) return null;
    const x = across.first ? "first" : across.kind;
    const asked = { tag, runs: members.map(({ name }) => name), centre, band, x, superseded, smooth, log: bent && x !== "wall" } as const;
    const grown = held.map((columns) => `${columns?.points} ${columns?.edition}`).join();
    const found = exact.of(asked, grown, part, onData);
    if (!found) return null;
    return { ...found.line, ...(found.line !== found.whole && { whole: { name: "", colour: "", ...found.whole } }) };
  }
}
