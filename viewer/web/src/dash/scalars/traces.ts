import type { AxisKind } from "../../chart/plot";
import { Smoother } from "../../chart/smooth";
import { stretchesOf, type Stretch } from "../../chart/stretches";
import type { Trace } from "../../chart/trace";
import type { Columns } from "../../data/columns";

export interface Recipe {
  axis: AxisKind;
  smoothing: number;
  /** Whether points that a restart has voided are among those to draw. */
  superseded: boolean;
  colour: (run: string) => string;
}

/** Makes the lines of one tag from its columns, smoothing only what came since the last time. */
export class Traces {
  #smoothers = new Map<string, Smoother>();
  #stretches = new Map<string, { made: string; stretches: Stretch[] }>();

  build(runs: readonly string[], columnsOf: (run: string) => Columns | undefined, recipe: Recipe): Trace[] {
    const traces: Trace[] = [];
    for (const run of runs) {
      const columns = columnsOf(run);
      if (columns && columns.n > 0) traces.push(this.#trace(run, columns, recipe));
    }
    return traces;
  }

  #trace(name: string, columns: Columns, recipe: Recipe): Trace {
    const { axis, smoothing, colour } = recipe;
    const { n, step, wall, value } = columns;
    const byStep = axis === "step";
    return {
      name,
      colour: colour(name),
      n,
      x: byStep ? step : wall,
      origin: axis === "relative" ? wall[0] : 0,
      rising: byStep ? columns.stepRises : columns.wallRises,
      step,
      wall,
      raw: value,
      line: smoothing > 0 ? this.#smoother(name).update(value, n, smoothing, columns.edition) : value,
      ...(!columns.stepRises && { stretches: this.#stretched(name, columns, recipe.superseded) }),
    };
  }

  #stretched(run: string, { step, n, edition }: Columns, voiding: boolean): Stretch[] {
    const made = `${n} ${edition} ${voiding}`;
    let held = this.#stretches.get(run);
    if (held?.made !== made) this.#stretches.set(run, (held = { made, stretches: stretchesOf(step, n, voiding) }));
    return held.stretches;
  }

  #smoother(run: string): Smoother {
    let smoother = this.#smoothers.get(run);
    if (!smoother) this.#smoothers.set(run, (smoother = new Smoother()));
    return smoother;
  }
}
