/** What of a profile's memory is looked at: the address keeps it. The window of time is `window` of the dashboard. */
import { choice, setting, type Codec } from "../../../../app/setting.svelte";

const whole: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && /^-?\d{1,15}$/.test(first) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

export const TABLES = ["then", "operators", "all"] as const;
/** The device, -1 for the host; null for the first that the trace tells of. */
export const device = setting<number | null>("pfdevice", whole, null);
/** The moment of which is shown what was in memory, in nanoseconds; null for the peak. */
export const at = setting<number | null>("pfat", whole, null);
/** What stands below the curve. */
export const table = setting<(typeof TABLES)[number]>("pfmem", choice(TABLES), "then");
