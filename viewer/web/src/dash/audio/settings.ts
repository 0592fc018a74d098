/** How sounds are shown and played: the address keeps it. */
import { choice, flag, number, setting, type Codec } from "../../app/setting.svelte";

/** A step, or null for each series' last. */
const stepOrLast: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && first.trim() !== "" && Number.isFinite(Number(first)) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

export const VIEWS = ["wave", "spectrum", "both"] as const;
export type View = (typeof VIEWS)[number];

export const shownAs = setting("auview", choice(VIEWS), "wave");
/** Whether one slider moves all cards. */
export const together = setting("ausync", flag, true);
export const at = setting("auat", stepOrLast, null);
/** Per cent. */
export const volume = setting("auvol", number(0, 100), 100);
export const looped = setting("auloop", flag, false);
