/** Where the marks of a ruler of time stand, and what they say. */
import { timeText } from "./time";

export interface Ruler {
  /** What each mark is counted from, where that is not the beginning; else "". */
  base: string;
  ticks: readonly { time: number; label: string }[];
}

const UNITS: readonly (readonly [number, string])[] = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
];

/** The smallest of 1, 2 and 5 times a power of ten that is not below `rough`. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((one) => one * power >= rough * (1 - 1e-9)) ?? 10);
}

const plain = (value: number, digits: number): string => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A time in one unit, with as many digits as its step needs. */
function text(time: number, step: number): string {
  const [size, unit] = UNITS.find(([size]) => Math.abs(time) >= size * 0.9999) ?? UNITS[3];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
  return `${plain(time / size, Math.min(digits, 9))} ${unit}`;
}

/** At most about `count` marks of a window, times counted from `zero`. */
export function rulerOf(low: number, high: number, zero: number, count: number): Ruler {
  const step = niceStep(Math.max((high - low) / Math.max(1, count), 1));
  const first = Math.ceil((low - zero) / step - 1e-9);
  const last = Math.floor((high - zero) / step + 1e-9);
  const times = Array.from({ length: Math.max(0, Math.min(200, last - first + 1)) }, (_, i) => (first + i) * step);
  // More than six digits are read by nobody: they are said once.
  const far = Math.max(Math.abs(low - zero), Math.abs(high - zero)) > step * 1e5;
  if (!far || times.length === 0) return { base: "", ticks: times.map((time) => ({ time: time + zero, label: time === 0 ? "0" : text(time, step) })) };
  const from = Math.floor(times[0] / (step * 10)) * step * 10;
  return { base: timeText(from / 1e3, 9).replace(/(\.\d*?)0+(?= )/, "$1").replace(/\.(?= )/, ""), ticks: times.map((time) => ({ time: time + zero, label: time === from ? "+0" : `+${text(time - from, step)}` })) };
}
