/** How videos are shown and played: the address keeps it. */
import { choice, flag, setting, type Codec } from "../../app/setting.svelte";

/** A step, or null for each series' last. */
const stepOrLast: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && first.trim() !== "" && Number.isFinite(Number(first)) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

export const ARRANGEMENTS = ["runs", "steps"] as const;
export type Arrangement = (typeof ARRANGEMENTS)[number];
export const RATES = [0.1, 0.25, 0.5, 1, 2, 4] as const;

const oneOfRates: Codec<number> = {
  values: RATES,
  decode: ([first]) => RATES.find((one) => String(one) === first) ?? null,
  encode: (value) => [String(value)],
};

/** What a card has along: its runs at one step, or the steps, with a row for each run. */
export const arrangement = setting("vdby", choice(ARRANGEMENTS), "runs");
/** Whether one slider moves all cards to a step. */
export const together = setting("vdsync", flag, true);
export const at = setting("vdat", stepOrLast, null);
/** Whether all videos run by one clock. */
export const oneClock = setting("vdclock", flag, true);
/** How fast they run: 1 as they were made. */
export const rate = setting("vdrate", oneOfRates, 1);
export const looped = setting("vdloop", flag, true);
export const muted = setting("vdmute", flag, true);
