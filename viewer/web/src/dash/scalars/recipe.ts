import type { Smoothing } from "../../chart/smooth";
import type { Recipe, Span } from "../../data/buckets";
import type { Range } from "../../chart/trace";
import type { Across } from "./across";

/** Buckets of a whole series: at least as many as a chart has columns of pixels. */
const COUNT = 1024;

/** How long series are to be fetched for charts with this across, whether some are large or the screen is fine. */
export function recipeOf({ kind }: Across, bent: boolean, fine: boolean, smooth: Smoothing | null): Recipe {
  return {
    count: fine ? 2 * COUNT : COUNT,
    axis: kind === "value" ? "step" : kind,
    log: bent && (kind === "step" || kind === "relative"),
    smooth,
  };
}

/** How lines are smoothed; null where they are not. */
export function smoothingOf({ kind: across }: Across, weight: number, kind: Smoothing["kind"]): Smoothing | null {
  if (weight === 0) return null;
  return { kind, weight, x: across === "step" || across === "value" ? "step" : "wall" };
}

/** What of a series is in view; null where it is all, or where x is another series. */
export function spanOf({ kind, first }: Across, view: Range | null): Span | null {
  if (!view || kind === "value") return null;
  return { axis: first ? "first" : kind, ...view };
}
