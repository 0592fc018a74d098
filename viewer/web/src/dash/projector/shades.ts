/** What a column of the metadata colours points by. */
import { valueText } from "../../chart/format";
import { HUES, hueColour } from "../../chart/palette";
import { ramp } from "../../app/runs/ramp";
import { sortNaturally } from "../../data/order";
import type { Column } from "./fetch";

/** Values that have a hue and a shape of their own; the others share a grey. */
export const MOST_CATEGORIES = 40;
/** More different numbers than these make a scale, unless told otherwise. */
const FEW_NUMBERS = 12;
export const SHAPES = ["circle", "square", "diamond", "triangle"] as const;
const GREY = { dark: "#8b92a1", light: "#676e7c" };
const STEPS = 256;

export interface Entry {
  value: string;
  rows: number;
  /** Of HUES and SHAPES; -1 for those that share the grey. */
  hue: number;
  shape: number;
}

export interface Shading {
  kind: "none" | "categories" | "scale";
  /** Values, most frequent first where there are too many to have a colour each, else in their order. */
  entries: readonly Entry[];
  /** Of a scale. */
  lo: number;
  hi: number;
  logarithmic: boolean;
  /** For each row the place of its entry, or of its colour among 256; -1 for neither. */
  of: Int32Array;
}

export function unshaded(rows: number): Shading {
  return { kind: "none", entries: [], lo: 0, hi: 0, logarithmic: false, of: new Int32Array(rows).fill(-1) };
}

/** The first column whose values may have a colour each. */
export function usualColour(columns: readonly Column[]): Column | null {
  return (
    columns.find(({ values }) => {
      const seen = new Set<string>();
      for (const value of values) if (seen.add(value).size > MOST_CATEGORIES) return false;
      return seen.size > 1 && seen.size < values.length;
    }) ?? null
  );
}

/** `wish` decides what numbers are: a scale, categories, or whichever fits. */
export function shadingOf(column: Column, wish: "auto" | "categories" | "scale"): Shading {
  const { values, numbers } = column;
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  if (numbers && (wish === "scale" || (wish === "auto" && counts.size > FEW_NUMBERS))) return scaleOf(numbers);
  const known = [...counts.keys()];
  let named = known;
  if (known.length > MOST_CATEGORIES) named = known.sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0)).slice(0, MOST_CATEGORIES);
  const ordered = sortNaturally(named);
  const placeOf = new Map(ordered.map((value, i) => [value, i]));
  const entries: Entry[] = ordered.map((value, i) => ({
    value,
    rows: counts.get(value) ?? 0,
    hue: i % HUES.length,
    shape: Math.floor(i / HUES.length) % SHAPES.length,
  }));
  return { kind: "categories", entries, lo: 0, hi: 0, logarithmic: false, of: Int32Array.from(values, (value) => placeOf.get(value) ?? -1) };
}

function scaleOf(numbers: Float64Array): Shading {
  let [lo, hi] = [Infinity, -Infinity];
  for (const value of numbers) {
    if (!Number.isFinite(value)) continue;
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  const logarithmic = lo > 0 && hi / lo >= 1000;
  const bent = logarithmic ? Math.log : (value: number): number => value;
  const span = bent(hi) - bent(lo) || 1;
  const of = Int32Array.from(numbers, (value) => (Number.isFinite(value) ? Math.round(((bent(value) - bent(lo)) / span) * (STEPS - 1)) : -1));
  return { kind: "scale", entries: [], lo: lo <= hi ? lo : NaN, hi: lo <= hi ? hi : NaN, logarithmic, of };
}

export const scaleText = (shading: Shading): [string, string] => [valueText(shading.lo), valueText(shading.hi)];

function rgb(hex: string): [number, number, number] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as [number, number, number];
}

export function grey(dark: boolean): string {
  return dark ? GREY.dark : GREY.light;
}

export function colourOf(entry: Pick<Entry, "hue">, dark: boolean): string {
  return entry.hue < 0 ? grey(dark) : hueColour(entry.hue, dark);
}

/** Red, green and blue of each row, 0 to 255; `plain` for all where nothing tells them apart. */
export function coloursOf(shading: Shading, dark: boolean, plain: string): Uint8Array {
  const { kind, entries, of } = shading;
  const none = rgb(kind === "none" ? plain : grey(dark));
  const table =
    kind === "scale" ? Array.from({ length: STEPS }, (_, i) => rgb(ramp(i / (STEPS - 1), dark))) : entries.map((entry) => rgb(colourOf(entry, dark)));
  const colours = new Uint8Array(of.length * 3);
  for (let i = 0; i < of.length; i++) {
    const colour = of[i] < 0 ? none : table[of[i]];
    colours[3 * i] = colour[0];
    colours[3 * i + 1] = colour[1];
    colours[3 * i + 2] = colour[2];
  }
  return colours;
}

/** The gradient of a legend, for CSS. */
export function gradient(dark: boolean): string {
  return `linear-gradient(to right, ${Array.from({ length: 9 }, (_, i) => ramp(i / 8, dark)).join(", ")})`;
}
