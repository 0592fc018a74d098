/** How the board of cards is laid out: the address keeps it. */
import { choice, flag, number, setting, text, texts } from "../../app/setting.svelte";
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

export const SEEDS_BY = ["off", "regex", "hparams"] as const;
export type SeedsBy = (typeof SEEDS_BY)[number];
export const CENTRES = ["mean", "median"] as const;
export type Centre = (typeof CENTRES)[number];
export const BANDS = ["std", "sem", "ci95", "minmax", "none"] as const;
export type BandKind = (typeof BANDS)[number];

/** Whether runs that belong together are one line, and what makes them belong together. */
export const seeds = setting("seeds", choice(SEEDS_BY), "off");
/** Runs whose names give its first group the same text belong together. */
export const seedRegex = setting("seedregex", text, "^(.+?)[-_/.,]?seed[-_=]?\\d+");
/** The hyperparameters in which runs that belong together may differ. */
export const seedBut = setting<readonly string[]>("seedbut", texts, ["seed"]);
export const centre = setting("centre", choice(CENTRES), "mean");
export const band = setting("band", choice(BANDS), "std");

export function togglePin(tag: string): void {
  pins.value = pins.value.includes(tag) ? pins.value.filter((other) => other !== tag) : [...pins.value, tag];
}
