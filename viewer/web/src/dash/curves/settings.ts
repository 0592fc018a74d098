/** How curves are shown: the address keeps it. */
import { choice, flag, number, setting, type Codec } from "../../app/setting.svelte";

export const KINDS = ["logged", "pr", "roc"] as const;
export type Kind = (typeof KINDS)[number];

const step: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && /^-?\d+$/.test(first) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

/** What all cards show: each curve as what it was logged as, or both as one. */
export const kind = setting("cvkind", choice(KINDS), "logged");
/** Whether one slider moves all cards. */
export const linked = setting("cvlink", flag, true);
/** The step of the linked cards, null for the latest of each. */
export const at = setting<number | null>("cvat", step, null);
/** The threshold whose confusion matrices are shown. */
export const threshold = setting("cvthreshold", number(0, 1), 0.5);
