import { durationLabel } from "./ticks";

/** A value in a table: five significant digits, exponents only where zeros would pile up. */
export function valueText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "−Inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
  const text = Number(value.toPrecision(5)).toString();
  return size >= 1e5 ? Math.round(value).toString() : text;
}

const whole = new Intl.NumberFormat("en");

export function stepText(step: number): string {
  return whole.format(step);
}

export function relativeText(seconds: number): string {
  return durationLabel(seconds, Math.abs(seconds) < 10 ? 2 : Math.abs(seconds) < 60 ? 1 : 0);
}

const moment = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});

export function momentText(wallTime: number): string {
  return moment.format(new Date(wallTime * 1000));
}
