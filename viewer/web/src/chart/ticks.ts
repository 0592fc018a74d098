import type { Range } from "./trace";

export interface Ticks {
  values: number[];
  labels: string[];
}

const NONE: Ticks = { values: [], labels: [] };

/** The smallest of 1, 2 and 5 times a power of ten that is not below `rough`. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((nice) => nice * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

function multiples(range: Range, step: number, offset = 0): number[] {
  const values: number[] = [];
  const first = Math.ceil((range.lo - offset) / step - 1e-9);
  const last = Math.floor((range.hi - offset) / step + 1e-9);
  // Multiplying, and not adding up, keeps 0.3 from becoming 0.30000000000000004's neighbour.
  for (let i = first; i <= last && values.length < 100; i++) values.push(i * step + offset + 0);
  return values;
}

function decimals(step: number): number {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+(?=e|$)/, "") : text;
}

/** A tick's label: as many digits as its step needs, k/M/G/T for large and e for tiny ones. */
export function tickLabel(value: number, step: number, largest: number): string {
  if (Math.abs(value) < step * 1e-9) return "0";
  if (largest >= 1e15 || largest < 1e-3) {
    const digits = Math.max(0, Math.floor(Math.log10(Math.abs(value)) + 1e-9) - Math.floor(Math.log10(step) + 1e-9));
    return trimmed(value.toExponential(Math.min(digits, 6))).replace("e+", "e");
  }
  const units: [number, string][] = [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  // From ten thousand on: "2000" is read faster than "2k", "20000" is not.
  const [size, unit] = largest >= 1e4 ? (units.find(([size]) => largest >= size) ?? [1, ""]) : [1, ""];
  return `${(value / size).toFixed(decimals(step / size))}${unit}`;
}

function valueTicks(range: Range, step: number): Ticks {
  const values = multiples(range, step);
  const largest = Math.max(Math.abs(range.lo), Math.abs(range.hi));
  return { values, labels: values.map((value) => tickLabel(value, step, largest)) };
}

/** At most about `count` values at 1-2-5 distances. */
export function numberTicks(range: Range, count: number): Ticks {
  const span = range.hi - range.lo;
  return span > 0 && Number.isFinite(span) ? valueTicks(range, niceStep(span / Math.max(1, count))) : NONE;
}

/** Like numberTicks, but never between two whole numbers: there is no step 1.5. */
export function stepTicks(range: Range, count: number): Ticks {
  const span = range.hi - range.lo;
  return span > 0 && Number.isFinite(span) ? valueTicks(range, Math.max(1, niceStep(span / Math.max(1, count)))) : NONE;
}

/** The decades within a range, with 2 and 5 of each where there is room, or only some where there is not even that. */
export function logTicks(range: Range, count: number): Ticks {
  const { lo, hi } = range;
  if (!(lo > 0) || !(hi > lo) || !Number.isFinite(hi)) return NONE;
  const decades = Math.log10(hi / lo);
  // Within less than one decade a logarithm is nearly straight, and round numbers read best.
  if (decades < 1) return numberTicks(range, count);
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const factors = decades * 3 <= count ? [1, 2, 5] : [1];
  const values: number[] = [];
  const first = Math.floor(Math.log10(lo)) - 1;
  for (let power = first; power <= Math.ceil(Math.log10(hi)); power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const value = power < 0 ? factor / 10 ** -power : factor * 10 ** power;
      if (value >= lo && value <= hi) values.push(value);
    }
  }
  return { values, labels: values.map(powerLabel) };
}

function powerLabel(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e4) return trimmed(value.toFixed(Math.max(0, -Math.floor(Math.log10(size) + 1e-9))));
  return value.toExponential().replace("e+", "e");
}

/** Zero, and the powers of ten on both sides of it, from `unit` on. */
export function symlogTicks(range: Range, count: number, unit: number): Ticks {
  const { lo, hi } = range;
  if (!(hi > lo) || !Number.isFinite(hi - lo)) return NONE;
  const side = (end: number): number => (end > unit ? Math.log10(end / unit) : 0);
  const decades = side(hi) + side(-lo);
  if (decades < 1) return numberTicks(range, count);
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count - 1)));
  const factors = decades * 3 <= count ? [1, 2, 5] : [1];
  const from = Math.round(Math.log10(unit));
  const powers: number[] = [];
  for (let power = from + every; power <= Math.log10(Math.max(hi, -lo)) + 1e-9; power += every) {
    powers.push(...factors.map((factor) => Number(`${factor}e${power}`)));
  }
  const values = [...powers.map((value) => -value).reverse(), 0, ...powers].filter((value) => value >= lo && value <= hi);
  return { values, labels: values.map((value) => (value === 0 ? "0" : powerLabel(value))) };
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30].flatMap((n) => [n, n * MINUTE]).concat([1, 2, 3, 6, 12].map((n) => n * HOUR));
CLOCK_STEPS.sort((a, b) => a - b);

/** A distance that reads well on a clock, or of whole days, for ticks at least `rough` seconds apart. */
export function timeStep(rough: number): number {
  if (rough <= 1) return Math.min(1, niceStep(rough));
  return CLOCK_STEPS.find((step) => step >= rough) ?? niceStep(rough / DAY) * DAY;
}

/** A duration by its two largest units: "1h 30m", "45s", "0.25s"; `digits` after the point of seconds. */
export function durationLabel(seconds: number, digits: number): string {
  if (seconds < 0) return `-${durationLabel(-seconds, digits)}`;
  if (seconds === 0) return "0s";
  const scale = 10 ** digits;
  // Rounded as a whole first: 59.99 s must become "1m" and not "60s".
  const rounded = Math.round(seconds * scale) / scale;
  if (rounded < MINUTE) return `${rounded.toFixed(digits)}s`;
  const parts: [string, string][] = [
    [String(Math.floor(rounded / DAY)), "d"],
    [String(Math.floor((rounded % DAY) / HOUR)), "h"],
    [String(Math.floor((rounded % HOUR) / MINUTE)), "m"],
    [rounded < HOUR ? (rounded % MINUTE).toFixed(digits) : String(Math.floor(rounded % MINUTE)), "s"],
  ];
  const first = parts.findIndex(([n]) => n !== "0");
  return parts
    .slice(first, first + 2)
    .filter(([n]) => Number(n) > 0)
    .map(([n, unit]) => n + unit)
    .join(" ");
}

/** Ticks of seconds since a start. */
export function relativeTicks(range: Range, count: number): Ticks {
  const span = range.hi - range.lo;
  if (!(span > 0) || !Number.isFinite(span)) return NONE;
  const step = timeStep(span / Math.max(1, count));
  const values = multiples(range, step);
  return { values, labels: values.map((value) => durationLabel(value, decimals(Math.min(1, step)))) };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function two(n: number): string {
  return String(n).padStart(2, "0");
}

function wallLabel(seconds: number, step: number): string {
  const date = new Date(seconds * 1000);
  const day = `${MONTHS[date.getMonth()]} ${date.getDate()}`;
  if (step >= 300 * DAY) return String(date.getFullYear());
  if (step >= DAY) return date.getMonth() === 0 && date.getDate() === 1 ? String(date.getFullYear()) : day;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (step >= MINUTE) return clock === "00:00" ? day : clock;
  const second = two(date.getSeconds());
  if (step >= 1) return `${clock}:${second}`;
  const fraction = (seconds - Math.floor(seconds)).toFixed(decimals(step)).replace(/^0/, "");
  return `${clock}:${second}${fraction}`;
}

/** Local midnights `days` apart; over months and years their first days. */
function midnights(range: Range, days: number): number[] {
  const values: number[] = [];
  const start = new Date(range.lo * 1000);
  const years = Math.floor(days / 366);
  const months = years > 0 ? 0 : Math.floor(days / 30);
  const year = start.getFullYear() - (years > 1 ? start.getFullYear() % years : 0);
  const date = new Date(year, years + months > 0 ? 0 : start.getMonth(), 1);
  while (date.getTime() <= range.hi * 1000 && values.length < 1000) {
    const fits = years + months > 0 || (date.getDate() - 1) % days === 0;
    // The last days of a month would stand too near to the first of the next.
    const crowded = days > 1 && years + months === 0 && date.getDate() + days / 2 > 31;
    if (date.getTime() >= range.lo * 1000 && fits && !crowded) values.push(date.getTime() / 1000);
    if (years > 0) date.setFullYear(date.getFullYear() + years);
    else if (months > 0) date.setMonth(date.getMonth() + months);
    else date.setDate(date.getDate() + 1);
  }
  return values;
}

function daySteps(rough: number): number {
  const steps = [1, 2, 5, 10, 31, 92, 184, 366, 732, 1830, 3660];
  return steps.find((days) => days >= rough / DAY) ?? 36600;
}

/** Ticks of seconds since 1970, in the browser's own time zone. */
export function wallTicks(range: Range, count: number): Ticks {
  const span = range.hi - range.lo;
  if (!(span > 0) || !Number.isFinite(span)) return NONE;
  const rough = span / Math.max(1, count);
  if (rough > 12 * HOUR) {
    const days = daySteps(rough);
    const values = midnights(range, days);
    return { values, labels: values.map((value) => wallLabel(value, days * DAY)) };
  }
  const step = timeStep(rough);
  // Steps of hours are counted from local midnight, not from that of UTC.
  const offset = new Date(range.lo * 1000).getTimezoneOffset() * MINUTE;
  const values = multiples(range, step, offset % DAY);
  return { values, labels: values.map((value) => wallLabel(value, step)) };
}
