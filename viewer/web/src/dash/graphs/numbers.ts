/** Numbers as the graph says them. */

const SCALES = ["", "k", "M", "G", "T", "P"] as const;

/** 1,204 or 25.6 M. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  let at = 0;
  let left = value;
  while (left >= 999.5 && at < SCALES.length - 1) {
    left /= 1_000;
    at++;
  }
  return `${left.toLocaleString("en", { maximumSignificantDigits: 3 })} ${SCALES[at]}`;
}

export function time(nanoseconds: number): string {
  const [value, unit] = nanoseconds < 1e3 ? [nanoseconds, "ns"] : nanoseconds < 1e6 ? [nanoseconds / 1e3, "µs"] : nanoseconds < 1e9 ? [nanoseconds / 1e6, "ms"] : [nanoseconds / 1e9, "s"];
  return `${value.toLocaleString("en", { maximumSignificantDigits: 3 })} ${unit}`;
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let left = value;
  while (left >= 1_024 && at < units.length - 1) {
    left /= 1_024;
    at++;
  }
  return `${left.toLocaleString("en", { maximumSignificantDigits: 3 })} ${units[at]}`;
}

/** A value of a series, in few digits. */
export function value(number: number): string {
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const size = Math.abs(number);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? number.toExponential(2) : number.toLocaleString("en", { maximumSignificantDigits: 4 });
}
