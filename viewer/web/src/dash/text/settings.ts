/** How texts are shown: the address keeps it. */
import { choice, flag, text, type Codec } from "../../app/setting.svelte";
import { setting } from "../../app/setting.svelte";

export const VIEWS = ["step", "all", "diff"] as const;
export type View = (typeof VIEWS)[number];

const step: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && /^-?\d+$/.test(first) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

export const shown = setting("txview", choice(VIEWS), "step");
/** Whether texts are shown as they were written. */
export const raw = setting("txraw", flag, false);
/** Whether one slider moves all cards. */
export const linked = setting("txlink", flag, true);
/** The step of the linked cards, null for the latest of each. */
export const at = setting<number | null>("txat", step, null);
export const GRAINS = ["words", "lines"] as const;
export const grain = setting("txgrain", choice(GRAINS), "words");
export const find = setting("txfind", text, "");
export const findRegex = setting("txregex", flag, false);
export const findCase = setting("txcase", flag, false);
