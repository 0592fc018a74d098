import { choice, setting, texts } from "../setting.svelte";

export const SHAPES = ["list", "tree"] as const;
export type Shape = (typeof SHAPES)[number];

/** How the runs are listed. */
export const shape = setting("runlist", choice(SHAPES), "list");

/** Folders of the tree that are folded; all but these when the first is "*". */
export const folded = setting("runfold", texts, []);

/** How the filter is read. */
export const readAs = setting("runsas", choice(["auto", "regex", "query"] as const), "auto");
