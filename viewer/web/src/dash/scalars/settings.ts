/** How lines of runs that belong together are drawn: the address keeps it. */
import { choice, setting, text, texts } from "../../app/setting.svelte";

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
