/** What a person can set of all charts at once, beyond the axes: the address keeps it. */
import { actions } from "./actions";
import { canCopy, copyUnderCursor } from "../chart/cursor";
import { SORTS } from "../chart/sorts";
import { choice, flag, json, number, setting, text, type Codec } from "./setting.svelte";

/** Outliers are left out of the height of charts. */
export const trim = setting("trim", flag, false);

/** What lies across charts when it is neither step nor time: "first", "epoch", "tag:" with a tag; else empty. */
export const by = setting("by", text, "");

/** The order of a tooltip's rows. */
export const tipSort = setting("tipsort", choice(SORTS), "nearest");

export const SELECTORS = ["off", "step", "range"] as const;

/** Whether charts have a marker, or two, and a table of the values there. */
export const selector = setting("select", choice(SELECTORS), "off");

type Selected = readonly number[] | readonly [across: string, ...places: number[]];

function isSelected(value: unknown): value is Selected {
  if (!Array.isArray(value)) return false;
  const places = typeof value[0] === "string" ? value.slice(1) : value;
  return places.length <= 2 && places.every(Number.isFinite);
}

/** What is selected of x: steps, or places on the axis that is named first; nothing before a marker was moved. */
const selected = setting<Selected>("selected", json(isSelected), []);

/** What is selected of an axis: what was selected of another means nothing there. */
export function selectedOf(across: string): readonly number[] {
  const [first, ...rest] = selected.value;
  if (typeof first === "string") return first === across ? (rest as number[]) : [];
  return across === "step" ? (selected.value as readonly number[]) : [];
}

export function select(across: string, places: readonly number[]): void {
  selected.value = across === "step" ? places : [across, ...places];
}

/** How many rows a tooltip has at most; 0: as many as there is room for. */
export const tipRows = setting("tiprows", number(0, 100), 0);

/** Zooming one chart in x zooms all. */
export const sync = setting("sync", flag, false);

type SharedZoom = readonly [across: string, lo: number, hi: number];

function isSharedZoom(value: unknown): value is SharedZoom | null {
  if (value === null) return true;
  return Array.isArray(value) && value.length === 3 && typeof value[0] === "string" && value.slice(1).every(Number.isFinite);
}

/** What all charts are zoomed to in x, and of which axis that is. */
export const zoomx = setting<SharedZoom | null>("zoomx", json(isSharedZoom), null);

/** One end each; null leaves it to the data. */
export type Bounds = readonly [lo: number | null, hi: number | null];

/** The ends of the axes of one chart, as typed. Those of x are only meant for the axis they were typed for. */
export interface AxisRange {
  tag: string;
  across: string;
  x: Bounds;
  y: Bounds;
}

function decodeRange(written: string): AxisRange[] {
  try {
    const [tag, across, ...ends] = JSON.parse(written) as unknown[];
    const numbers = ends.map((end) => (typeof end === "number" ? end : null));
    if (typeof tag !== "string" || typeof across !== "string" || numbers.length !== 4) return [];
    return [{ tag, across, x: [numbers[0], numbers[1]], y: [numbers[2], numbers[3]] }];
  } catch {
    return [];
  }
}

const rangeList: Codec<readonly AxisRange[]> = {
  decode: (written) => written.flatMap(decodeRange),
  encode: (list) => list.map(({ tag, across, x, y }) => JSON.stringify([tag, across, ...x, ...y])),
};

export const ranges = setting("range", rangeList, []);

export const FREE: Bounds = [null, null];

/** The typed ends of a chart's axes. */
export function boundsOf(tag: string, across: string): { x: Bounds; y: Bounds } {
  const found = ranges.value.find((range) => range.tag === tag);
  return { x: found?.across === across ? found.x : FREE, y: found?.y ?? FREE };
}

/** Sets the ends of a chart's axes; where all are free, nothing is kept. */
export function bound(tag: string, across: string, x: Bounds, y: Bounds): void {
  const others = ranges.value.filter((range) => range.tag !== tag);
  const free = [...x, ...y].every((end) => end === null);
  ranges.value = free ? others : [...others, { tag, across, x, y }];
}

actions.register(
  {
    keys: ["o"],
    does: "Leave outliers out of the height",
    group: "Charts",
    run: () => (trim.value = !trim.value),
  },
  { keys: ["c"], does: "Copy the values under the crosshair", group: "Charts", run: copyUnderCursor, when: canCopy },
  { does: "Zoom all charts together", group: "Charts", run: () => (sync.value = !sync.value) },
);
