/** What stands in a cell. */
import { bytesText, countText, percentText, timeText } from "../numbers";
import type { Cell, Column } from "./wire";

const sign = (value: number, text: string): string => (value > 0 ? `+${text}` : text.replace("-", "−"));

const shareText = (value: number, signed: boolean): string =>
  signed ? `${(value * 100).toLocaleString("en", { maximumFractionDigits: 1 })} %` : value === 0 ? "0 %" : percentText(value);

/** A name by which rows are told apart: every CUDA kernel returns nothing. */
export const nameText = (name: string): string => name.replace(/^void (?=\S)/, "");

/** A number as its column says it; times are nanoseconds. */
export function numberText(value: number, { kind, signed }: Pick<Column, "kind" | "signed">): string {
  const text =
    kind === "time" ? timeText(value / 1_000)
    : kind === "moment" ? timeText(value / 1_000, 6)
    : kind === "rank" ? (value < 0 ? "?" : String(value))
    : kind === "rate" ? `${bytesText(value)}/s`
    : kind === "bytes" ? bytesText(value)
    : kind === "share" ? shareText(value, signed)
    : kind === "percent" ? `${value.toLocaleString("en", { maximumFractionDigits: 1 })} %`
    : kind === "count" && Number.isInteger(value) ? countText(value)
    : value.toLocaleString("en", { maximumSignificantDigits: 4 });
  return signed && !/^-?0( |$)/.test(text) ? sign(value, text) : text.replace(/^-(0( |$))/, "$1");
}

export function cellText(value: Cell, column: Pick<Column, "kind" | "signed">): string {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "";
  return typeof value === "string" ? value : numberText(value, column);
}

/** How much of a bar a cell has, of 0 to 1; null where none stands in it. */
export function barOf(value: Cell, { kind, most, signed }: Pick<Column, "kind" | "most" | "signed">): number | null {
  if (typeof value !== "number" || !["time", "bytes", "rate", "share", "percent"].includes(kind) || (kind === "share" && signed)) return null;
  const whole = kind === "share" ? Math.max(1, most ?? 0) : kind === "percent" ? Math.max(100, most ?? 0) : most;
  return whole ? Math.min(1, Math.abs(value) / whole) : null;
}

/** What a cell says when pointed at: the number in full, and its share of the sum over all. */
export function titleOf(value: Cell, column: Column): string {
  if (typeof value !== "number") return value === null ? "not known" : String(value);
  const unit = { time: " ns", moment: " ns", bytes: " bytes", percent: " %" }[column.kind as string] ?? "";
  const full = `${value.toLocaleString("en", { maximumFractionDigits: 3 })}${unit}`;
  return column.total && !column.signed ? `${full}, ${percentText(value / column.total)} of all` : full;
}

const WIDTHS: Readonly<Record<Column["kind"], number>> = { text: 170, count: 72, time: 92, moment: 112, bytes: 108, share: 100, percent: 92, number: 92, rank: 72, rate: 124, flag: 92 };

/** Pixels; heads that say more need more. */
export function widthOf({ kind, title }: Pick<Column, "kind" | "title">): number {
  return Math.max(WIDTHS[kind], Math.min(180, 30 + title.length * 7.2));
}
