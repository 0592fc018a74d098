import { logTicks, numberTicks, stepTicks } from "../../chart/ticks";
import type { Hparam } from "../../data/facts";
import { naturally } from "../../data/order";
import { wordOf, type Brush } from "./brush";
import type { Scale } from "./settings";

type Value = Hparam | undefined;

/** Where values of a column stand on a line from 0 to 1. What has no place (missing, not finite) is beside it. */
export interface Axis {
  scale: Scale;
  /** The scales that fit its values. */
  scales: readonly Scale[];
  place: (value: Value) => number | null;
  ticks: readonly { at: number; label: string }[];
  /** Whether any value is beside the line. */
  gaps: boolean;
  /** What lies between two places; `none` for what is beside the line. */
  brush: (lo: number, hi: number, none: boolean) => Brush;
  /** The places that a brush reaches over; null where it reaches over none. */
  reach: (brush: Brush) => [lo: number, hi: number] | null;
}

const MARGIN = 1e-9;
/** As many different numbers have a tick each. */
const FEW = 6;
/** From one end of the values to the other that many times: a logarithm reads better. */
const FAR_APART = 50;

function isNumber(value: Value): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function hasNone(value: Value): boolean {
  return value === undefined || (typeof value === "number" && !Number.isFinite(value));
}

/** `wanted`: the scale that a person chose, in force if it fits. */
export function axisOf(values: readonly Value[], wanted: Scale | undefined, ticks: number): Axis {
  const there = values.filter((value): value is Hparam => !hasNone(value));
  const numbers = there.filter(isNumber);
  const numeric = numbers.length === there.length && there.length > 0;
  let [lo, hi] = [Infinity, -Infinity];
  for (const one of numbers) [lo, hi] = [Math.min(lo, one), Math.max(hi, one)];
  const scales: Scale[] = numeric ? ["linear", ...(hi > 0 ? (["log"] as const) : []), "quantile", "category"] : ["category"];
  const usual: Scale = !numeric ? "category" : lo > 0 && hi / lo >= FAR_APART && evenerInLog(numbers, lo, hi) ? "log" : "linear";
  const scale = wanted && scales.includes(wanted) ? wanted : usual;
  if (scale === "category") return categories(there, values, scales, ticks);
  if (scale === "quantile") return quantiles(numbers, values, scales, ticks);
  if (scale === "log") return stretched(numbers.filter((one) => one > 0), values, scales, ticks);
  return straight(lo, hi, values, scales, ticks);
}

/** Whether the middle of the numbers is nearer to the middle of a logarithmic axis, as that of learning rates is. */
function evenerInLog(numbers: readonly number[], lo: number, hi: number): boolean {
  const half = [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
  const off = (at: number): number => Math.abs(at - 0.5);
  return off((Math.log(half) - Math.log(lo)) / (Math.log(hi) - Math.log(lo))) <= off((half - lo) / (hi - lo));
}

type Parts = Pick<Axis, "scale" | "scales" | "ticks"> & { to: (value: number) => number | null; from: (at: number) => number };

/** An axis of numbers by a map to places and one back. */
function ofNumbers({ scale, scales, ticks, to, from }: Parts, values: readonly Value[]): Axis {
  const place = (value: Value): number | null => (isNumber(value) ? to(value) : null);
  return {
    scale,
    scales,
    place,
    ticks,
    gaps: values.some((value) => place(value) === null),
    brush: (lo, hi, none) => ({ ...(hi >= 0 && { lo: wider(from(Math.max(0, lo)), -1), hi: wider(from(Math.min(1, hi)), 1) }), ...(none && { none }) }),
    reach: ({ lo, hi }) => {
      if (lo === undefined || hi === undefined) return null;
      const [a, b] = [to(lo), to(hi)];
      return b === null ? null : [a === null ? 0 : clamp(a), clamp(b)];
    },
  };
}

/** So little outwards that a value at the very end is still within. */
function wider(value: number, side: 1 | -1): number {
  return value + side * Math.abs(value) * MARGIN;
}

/** A few numbers have ticks of their own: there is no depth of three among 2, 4 and 8. */
function few(numbers: readonly number[]): { values: number[]; labels: string[] } | null {
  const values = [...new Set(numbers)].sort((a, b) => a - b);
  return values.length <= FEW ? { values, labels: values.map((value) => String(Number(value.toPrecision(4)))) } : null;
}

function clamp(at: number): number {
  return Math.min(1, Math.max(0, at));
}

function straight(lo: number, hi: number, values: readonly Value[], scales: readonly Scale[], count: number): Axis {
  const flat = !(hi > lo);
  // Halves first, lest the span of the widest numbers be infinite.
  const to = (value: number): number => (flat ? 0.5 : (value / 2 - lo / 2) / (hi / 2 - lo / 2));
  const from = (at: number): number => (flat ? (at < 0.5 ? lo - MARGIN - Math.abs(lo) : lo + MARGIN + Math.abs(lo)) : lo * (1 - at) + hi * at);
  const { values: at, labels } = few(values.filter(isNumber)) ?? (values.every((one) => !isNumber(one) || Number.isInteger(one)) ? stepTicks : numberTicks)({ lo, hi }, count);
  return ofNumbers({ scale: "linear", scales, ticks: at.map((value, i) => ({ at: to(value), label: labels[i] })), to, from }, values);
}

function stretched(positive: readonly number[], values: readonly Value[], scales: readonly Scale[], count: number): Axis {
  let [lo, hi] = [Infinity, 0];
  for (const one of positive) [lo, hi] = [Math.min(lo, one), Math.max(hi, one)];
  const span = Math.log(hi) - Math.log(lo);
  const flat = !(span > 0);
  const to = (value: number): number | null => (value > 0 ? (flat ? 0.5 : (Math.log(value) - Math.log(lo)) / span) : null);
  const from = (at: number): number => (flat ? lo * (at < 0.5 ? 0.5 : 2) : Math.exp(Math.log(lo) + at * span));
  const { values: at, labels } = few(positive) ?? logTicks({ lo, hi }, count);
  return ofNumbers({ scale: "log", scales, ticks: at.map((value, i) => ({ at: to(value) ?? 0, label: labels[i] })), to, from }, values);
}

/** Each number where its share of numbers below it is; between two of them in proportion. */
function quantiles(numbers: readonly number[], values: readonly Value[], scales: readonly Scale[], count: number): Axis {
  const sorted = [...numbers].sort((a, b) => a - b);
  const last = sorted.length - 1;
  const to = (value: number): number => {
    if (last === 0) return 0.5;
    // Equal numbers stand in the middle of their stretch.
    const [from, to] = [below(sorted, value, false), below(sorted, value, true)];
    if (to > from) return (from + to - 1) / 2 / last;
    if (from === 0 || from > last) return from === 0 ? 0 : 1;
    const [a, b] = [sorted[from - 1], sorted[from]];
    return (from - 1 + (value / 2 - a / 2) / (b / 2 - a / 2)) / last;
  };
  const from = (at: number): number => {
    const along = clamp(at) * last;
    const i = Math.min(Math.max(0, last - 1), Math.floor(along));
    return last === 0 ? sorted[0] : sorted[i] * (1 - along + i) + sorted[i + 1] * (along - i);
  };
  const some = Math.max(2, Math.min(5, count));
  const ticks = Array.from({ length: some }, (_, i) => i / (some - 1)).map((at) => ({ at, label: wordOf(Number(from(at).toPrecision(3))) }));
  return ofNumbers({ scale: "quantile", scales, ticks: last === 0 ? [{ at: 0.5, label: wordOf(sorted[0]) }] : ticks, to, from }, values);
}

/** How many are below a value, or not above it. */
function below(sorted: readonly number[], value: number, inclusive: boolean): number {
  let [lo, hi] = [0, sorted.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (sorted[mid] < value || (inclusive && sorted[mid] === value)) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

function categories(there: readonly Hparam[], values: readonly Value[], scales: readonly Scale[], count: number): Axis {
  const words = new Map<string, boolean>();
  for (const value of there) words.set(wordOf(value), typeof value === "number");
  const order = [...words.keys()].sort((a, b) => Number(words.get(b)) - Number(words.get(a)) || (words.get(a) && words.get(b) ? Number(a) - Number(b) : naturally(a, b)));
  const index = new Map(order.map((word, i) => [word, i]));
  const at = (i: number): number => (order.length === 1 ? 0.5 : i / (order.length - 1));
  const every = Math.max(1, Math.ceil(order.length / Math.max(2, count * 2)));
  const place = (value: Value): number | null => {
    const i = hasNone(value) ? undefined : index.get(wordOf(value as Hparam));
    return i === undefined ? null : at(i);
  };
  return {
    scale: "category",
    scales,
    place,
    ticks: order.map((label, i) => ({ at: at(i), label })).filter((_, i) => i % every === 0),
    gaps: values.some(hasNone),
    brush: (lo, hi, none) => ({ words: order.filter((_, i) => at(i) >= lo - MARGIN && at(i) <= hi + MARGIN), ...(none && { none }) }),
    reach: ({ words: wanted = [] }) => {
      const places = wanted.map((word) => index.get(word)).filter((i) => i !== undefined).map(at);
      const half = order.length > 1 ? Math.min(0.03, 0.4 / (order.length - 1)) : 0.03;
      return places.length > 0 ? [clamp(Math.min(...places) - half), clamp(Math.max(...places) + half)] : null;
    },
  };
}
