/** Numbers as all views of profiles say them. */

const text = (value: number, digits: number, least = 1): string => value.toLocaleString("en", { maximumSignificantDigits: digits, minimumSignificantDigits: least });

/** 12.3 ms, of microseconds; with `digits` always so many, for columns of them. */
export function timeText(microseconds: number, digits = 0): string {
  const size = Math.abs(microseconds);
  if (size === 0) return "0";
  const [value, unit] = size < 0.9995 ? [microseconds * 1e3, "ns"] : size < 999.5 ? [microseconds, "µs"] : size < 999_500 ? [microseconds / 1e3, "ms"] : [microseconds / 1e6, "s"];
  return `${digits ? text(value, digits, digits) : text(value, 3)} ${unit}`;
}

/** 1.1 MiB. */
export function bytesText(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 1_023.5 && at < units.length - 1) {
    left /= 1_024;
    at++;
  }
  return `${text(left, 3)} ${units[at]}`;
}

/** 22.9 %, of 0.229. */
export function percentText(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  return `${percent.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} %`;
}

export function countText(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 0 });
}
