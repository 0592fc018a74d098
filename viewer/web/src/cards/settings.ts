/** How a board of cards is laid out, the same in every dashboard: the address keeps it. */
import { choice, flag, number, setting, text } from "../app/setting.svelte";
import { GROUPINGS } from "./groups";
import { pinCodec } from "./pins";

export const SIZES = ["s", "m", "l"] as const;
export type Size = (typeof SIZES)[number];

/** Least width of a card and height of its chart, in pixels. */
export const SIZE_PX: Record<Size, { width: number; height: number }> = {
  s: { width: 240, height: 148 },
  m: { width: 340, height: 208 },
  l: { width: 520, height: 320 },
};
export const MOST_COLUMNS = 8;

export const grouping = setting("group", choice(GROUPINGS), "first");
export const size = setting("size", choice(SIZES), "m");
/** Cards side by side; 0 for as many as fit. */
export const columns = setting("columns", number(0, MOST_COLUMNS), 0);
/** Tags on top, in the order in which they were pinned. */
export const pins = setting<readonly string[]>("pin", pinCodec, []);
/** When set, all groups are folded but those that `fold` names. */
export const foldAll = setting("foldall", flag, false);
/** The card that fills the window, if any. */
export const full = setting("full", text, "");

export function togglePin(tag: string): void {
  pins.value = pins.value.includes(tag) ? pins.value.filter((other) => other !== tag) : [...pins.value, tag];
}
