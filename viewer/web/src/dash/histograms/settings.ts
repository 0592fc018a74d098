/** What is shown of histograms, and how: the address keeps it. */
import { choice, flag, json, setting } from "../../app/setting.svelte";
import { zoomCodec } from "./zooms";

export const VIEWS = ["ridge", "overlay", "heat", "bands"] as const;
export type ViewKind = (typeof VIEWS)[number];
export const VIEW_NAMES: Record<ViewKind, string> = { ridge: "Offset", overlay: "Overlay", heat: "Heat map", bands: "Percentiles" };

export const AXES = ["step", "relative", "wall"] as const;
export type Axis = (typeof AXES)[number];

export const HEIGHTS = ["count", "log", "own"] as const;
/** How many values there are, the logarithm of that, or each step's share of its own highest bucket. */
export type Height = (typeof HEIGHTS)[number];

export const CARDS = ["auto", "tag", "run"] as const;
/** Runs of a tag that one card still tells apart: with more, each has its own where nobody chose. */
export const FEW_RUNS = 4;

export const kind = setting("histview", choice(VIEWS), "ridge");
export const axis = setting("histx", choice(AXES), "step");
export const height = setting("histcount", choice(HEIGHTS), "count");
/** Whether a card has all runs of a tag, or one. */
export const cardOf = setting("histcard", choice(CARDS), "auto");
/** The step that is marked in all cards. */
export const marked = setting<number | null>(
  "histstep",
  json((value): value is number | null => value === null || Number.isSafeInteger(value)),
  null,
);
/** Whether the last thousandth of the values at each end may lie beyond the picture: far outliers leave the rest no room. */
export const trimmed = setting("histtrim", flag, false);
/** What cards are zoomed to. */
export const zoomed = setting("histzoom", zoomCodec, []);
