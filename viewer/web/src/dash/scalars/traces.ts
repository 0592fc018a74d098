import { joined, rises } from "../../chart/join";
import { Smoother, type Smoothing } from "../../chart/smooth";
import { stretchesOf, type Stretch } from "../../chart/stretches";
import type { Range, Trace } from "../../chart/trace";
import type { Columns } from "../../data/columns";
import type { Across } from "./across";

export interface Recipe {
  across: Across;
  smooth: Smoothing | null;
  /** Whether points that a restart has voided are among those to draw. */
  superseded: boolean;
  colour: (run: string) => string;
  /** The title that somebody gave a run. */
  titleOf?: (run: string) => string | undefined;
  /** What of x is in view where that is not all, and whether x may be bent by its logarithm. */
  part?: Range | null;
  bent?: boolean;
}

type ColumnsOf = (tag: string, run: string) => Columns | undefined;

interface Place {
  x: Float64Array;
  origin: number;
  rising: boolean;
}

/** Makes the lines of one tag from its columns, working out only what came since the last time. */
export class Traces {
  #smoothers = new Map<string, Smoother>();
  #stretches = new Map<string, { made: readonly unknown[]; stretches: Stretch[] }>();
  #joined = new Map<string, { made: readonly unknown[]; place: Place }>();
  #joinedParts = new Map<string, { made: readonly unknown[]; place: Place }>();

  build(tag: string, runs: readonly string[], columnsOf: ColumnsOf, recipe: Recipe): Trace[] {
    const traces: Trace[] = [];
    for (const run of runs) {
      const columns = columnsOf(tag, run);
      if (!columns || columns.n === 0) continue;
      const place = this.#place(run, columns, columnsOf, recipe.across);
      if (!place) continue;
      const trace = placed(this.#trace(run, columns, place, recipe));
      if (columns.whole) trace.whole = this.#whole(run, columns.whole, columnsOf, recipe.across);
      traces.push(trace);
    }
    return traces;
  }

  #trace(name: string, columns: Columns, place: Place, { smooth, superseded, colour, titleOf }: Recipe): Trace {
    const { n, step, wall, value, buckets, whole } = columns;
    const all = whole ?? columns;
    const label = titleOf?.(name);
    return {
      name,
      ...(label && { label }),
      colour: colour(name),
      n,
      ...place,
      step,
      wall,
      start: all.wall[0],
      raw: value,
      line: smooth ? this.#smoothed(name, columns, smooth) : value,
      ...(all.buckets && { points: all.points }),
      ...(buckets && { buckets }),
      ...(!columns.stepRises && { stretches: this.#stretched(name, columns, superseded) }),
    };
  }

  /** The trace of all of a long series of which only a part is drawn. */
  #whole(name: string, whole: Columns, columnsOf: ColumnsOf, across: Across): Trace {
    const { n, step, wall, value } = whole;
    const place = this.#place(name, whole, columnsOf, across) ?? { x: step, origin: 0, rising: whole.stepRises };
    return { name, colour: "", n, ...place, step, wall, raw: value, line: value };
  }

  /** Where the points of a run stand; null when nothing of that kind is known of it. */
  #place(run: string, columns: Columns, columnsOf: ColumnsOf, { kind, first, tagOf }: Across): Place | null {
    const { step, wall, stepRises, wallRises } = columns;
    const all = columns.whole ?? columns;
    if (kind === "step") return { x: step, origin: first ? all.step[0] : 0, rising: stepRises };
    if (kind !== "value") return { x: wall, origin: kind === "relative" ? all.wall[0] : 0, rising: wallRises };
    const tag = tagOf?.(run);
    const other = tag === undefined ? undefined : columnsOf(tag, run);
    return other && other.n > 0 ? this.#join(run, columns, other) : null;
  }

  #join(run: string, columns: Columns, other: Columns): Place {
    const made = [columns, columns.n, columns.edition, other, other.n, other.edition];
    const kept = columns.whole ? this.#joinedParts : this.#joined;
    let held = kept.get(run);
    if (!held || held.made.some((one, i) => one !== made[i])) {
      const x = joined(columns.step, columns.n, other);
      kept.set(run, (held = { made, place: { x, origin: 0, rising: rises(x) } }));
    }
    return held.place;
  }

  #stretched(run: string, columns: Columns, voiding: boolean): Stretch[] {
    const { step, n, edition } = columns;
    const made = [columns, n, edition, voiding];
    let held = this.#stretches.get(run);
    if (!held || held.made.some((one, i) => one !== made[i])) {
      this.#stretches.set(run, (held = { made, stretches: stretchesOf(step, n, voiding) }));
    }
    return held.stretches;
  }

  /** A long series was smoothed by the server, on all of its points; until it is, it is shown as it is. */
  #smoothed(run: string, columns: Columns, smooth: Smoothing): Float64Array {
    const { n, step, wall, value, edition, line } = columns;
    if (columns.buckets || columns.whole) return line ?? value;
    return this.#smoother(run).update(value, n, smooth, edition, smooth.x === "step" ? step : wall);
  }

  #smoother(run: string): Smoother {
    let smoother = this.#smoothers.get(run);
    if (!smoother) this.#smoothers.set(run, (smoother = new Smoother()));
    return smoother;
  }
}

/** The same line without the points at its start that have no place yet. */
function placed(trace: Trace): Trace {
  const { x, n } = trace;
  if (trace.stretches || n === 0 || !Number.isNaN(x[0])) return trace;
  let from = 0;
  while (from < n && Number.isNaN(x[from])) from++;
  const line = trace.line.subarray(from, n);
  const kept = x.subarray(from, n);
  const { buckets: _, ...rest } = trace; // they count from the first point
  return {
    ...rest,
    n: n - from,
    x: kept,
    rising: rises(kept),
    step: trace.step.subarray(from, n),
    wall: trace.wall.subarray(from, n),
    raw: trace.raw === trace.line ? line : trace.raw.subarray(from, n),
    line,
  };
}
