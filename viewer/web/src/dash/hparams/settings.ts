import { choice, flag, json, setting, text, texts } from "../../app/setting.svelte";
import { isBrushes, type Brushes } from "./brush";

export const VIEWS = ["parallel", "scatter", "importance", "correlation", "table"] as const;
export type Shown = (typeof VIEWS)[number];

/** What stands above the table. */
export const shown = setting("hpview", choice(VIEWS), "parallel");

/** Columns and axes from left to right; those that tell most when empty. See fields.ts for how they are called. */
export const fields = setting("hpcols", texts, []);

/** The column that the rows are sorted by, with a "-" in front from the greatest to the least. */
export const sortedBy = setting("hpsort", text, "");

/** The column that rows are coloured by; "run": as in the list of runs; when empty, many rows by their first metric. */
export const colouredBy = setting("hpcolour", text, "");

export const SCALES = ["linear", "log", "quantile", "category"] as const;
export type Scale = (typeof SCALES)[number];

function isScales(value: unknown): value is Record<string, Scale> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((one) => SCALES.includes(one as Scale));
}

/** Scales of columns, where a person chose one. */
export const scales = setting<Record<string, Scale>>("hpscale", json(isScales), {});

/** What rows have to be within, by column. */
export const brushes = setting<Brushes>("hpbrush", json(isBrushes), {});

/** Whether runs that differ in nothing but some hyperparameters are one row. */
export const together = setting("hpseeds", flag, false);

/** The hyperparameters in which such runs may differ. */
export const seedBut = setting("hpbut", texts, ["seed", "random_seed"]);

export const MIDDLES = ["mean", "median", "min", "max"] as const;
export type Middle = (typeof MIDDLES)[number];

/** What such a row has of its runs' metrics. */
export const middle = setting("hpmid", choice(MIDDLES), "mean");

/** Whether runs without hyperparameters have rows too. */
export const bare = setting("hpbare", flag, false);

/** The column that importance is asked for. */
export const target = setting("hptarget", text, "");

/** Which correlation of numbers is shown. */
export const measure = setting("hpcorr", choice(["spearman", "pearson"] as const), "spearman");
