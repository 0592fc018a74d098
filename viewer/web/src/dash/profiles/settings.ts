/** Which profile is looked at, and in which view: the address keeps it. Views have settings of their own. */
import { setting, text, type Codec } from "../../app/setting.svelte";

/** A time from one microsecond of the profile to another. */
export type Span = readonly [from: number, to: number];

const span: Codec<Span | null> = {
  decode: ([first]) => {
    const ends = (first ?? "").split("-").map((part) => (part.trim() === "" ? NaN : Number(part)));
    return ends.length === 2 && ends.every(Number.isFinite) && ends[0] < ends[1] ? [ends[0], ends[1]] : null;
  },
  encode: (value) => (value === null ? [] : [`${+value[0].toFixed(3)}-${+value[1].toFixed(3)}`]),
};

/** The run, "" for the first that has a profile. */
export const run = setting("pfrun", text, "");
/** The trace by its path below the run's directory, "" for the newest. */
export const trace = setting("pftrace", text, "");
/** Words that profiles must have to be offered. */
export const query = setting("pffind", text, "");
/** The view: the name of its folder, "" for the first. */
export const shown = setting("pfview", text, "");
/** The time that views which show time look at, in microseconds; null for all of it. */
export const window = setting<Span | null>("pfspan", span, null);
