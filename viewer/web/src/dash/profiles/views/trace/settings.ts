/** What of a trace is looked at: the address keeps it. The window of time is `window` of the dashboard. */
import { flag, setting, text, texts, type Codec } from "../../../../app/setting.svelte";

/** A part of time, in nanoseconds, and the tracks it is of; of none: of all. */
export interface Range {
  low: number;
  high: number;
  tracks: readonly number[];
}

const whole: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && /^\d{1,9}$/.test(first) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

const range: Codec<Range | null> = {
  decode: ([first]) => {
    const found = /^(-?[\d.]+)-(-?[\d.]+)(?::([\d.]*))?$/.exec(first ?? "");
    if (!found) return null;
    const [low, high] = [Number(found[1]) * 1e3, Number(found[2]) * 1e3];
    const tracks = (found[3] ?? "").split(".").filter(Boolean).map(Number);
    return Number.isFinite(low) && Number.isFinite(high) && low < high ? { low, high, tracks } : null;
  },
  encode: (value) => (value === null ? [] : [`${+(value.low / 1e3).toFixed(3)}-${+(value.high / 1e3).toFixed(3)}${value.tracks.length > 0 ? `:${value.tracks.slice(0, 300).join(".")}` : ""}`]),
};

/** The event that is looked at, by its row in the profile. */
export const event = setting<number | null>("pfevent", whole, null);
/** What is added up, in microseconds. */
export const selection = setting<Range | null>("pfsum", range, null);
export const query = setting("pfq", text, "");
export const regex = setting("pfregex", flag, false);
/** Names of groups and numbers of tracks that are folded. */
export const folded = setting("pffold", texts, []);
export const panel = setting("pfpanel", flag, true);
