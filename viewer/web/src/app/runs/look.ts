import { choice, flag, json, setting, text, texts } from "../setting.svelte";

export const SHAPES = ["list", "tree", "table"] as const;
export type Shape = (typeof SHAPES)[number];

/** How the runs are listed. */
export const shape = setting("runlist", choice(SHAPES), "list");

/** Folders of the tree that are folded; all but these when the first is "*". */
export const folded = setting("runfold", texts, []);

/** How the filter is read. */
export const readAs = setting("runsas", choice(["auto", "regex", "query"] as const), "auto");

/** The table's columns, from left to right; those that tell most when empty. See columns.ts for how they are called. */
export const columns = setting("runcols", texts, []);

/** The column that the table is sorted by, with a "-" in front from the greatest to the least; by name when empty. */
export const sortedBy = setting("runsort", text, "");

function isWidths(value: unknown): value is Record<string, number> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(Number.isFinite);
}

/** Widths of columns in pixels, where a person changed them. */
export const widths = setting<Record<string, number>>("runwidths", json(isWidths), {});

/** Whether the table lies over the whole page. */
export const spread = setting("runwide", flag, false);

/** What runs are coloured by: each for itself when empty, "hp:lr", or "regex:" and a pattern, whose first group counts. */
export const colouredBy = setting("runcolour", text, "");

/** Whether runs that somebody hid are shown. */
export const hiddenShown = setting("runhidden", flag, false);
