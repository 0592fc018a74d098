import type { Hparam } from "../../data/facts";

/** What a column's value has to be: within two numbers, or one of some words; `none` lets rows through that have none. */
export interface Brush {
  lo?: number;
  hi?: number;
  words?: readonly string[];
  none?: boolean;
}

/** By column; a row has to pass all. */
export type Brushes = Readonly<Record<string, Brush>>;

export function isBrushes(value: unknown): value is Brushes {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((one: unknown) => {
    if (typeof one !== "object" || one === null) return false;
    const { lo = 0, hi = 0, words = [], none = false } = one as Record<string, unknown>;
    return typeof lo === "number" && typeof hi === "number" && Array.isArray(words) && words.every((word) => typeof word === "string") && typeof none === "boolean";
  });
}

/** A value as a category is called: writers without booleans keep them as 0 and 1, which stay numbers here. */
export function wordOf(value: Hparam): string {
  return typeof value === "number" ? String(Number(value.toPrecision(9))) : String(value);
}

export function passes(brush: Brush, value: Hparam | undefined): boolean {
  if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) return brush.none === true;
  if (brush.words) return brush.words.includes(wordOf(value));
  if (brush.lo === undefined || brush.hi === undefined) return false;
  return typeof value === "number" && value >= brush.lo && value <= brush.hi;
}

/** A column's brush as it is told to people. */
export function told({ lo, hi, words, none }: Brush, text: (value: Hparam) => string): string {
  const parts = words ? [...words] : lo !== undefined && hi !== undefined ? [`${text(lo)} to ${text(hi)}`] : [];
  return [...parts, ...(none ? ["none"] : [])].join(", ");
}
