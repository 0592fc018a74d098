/** A bar for each step of a profile: where it stands, how high its parts are, and which one is at a place. */
import type { Part } from "../../parts";
import type { StepColumns } from "../../wire";

export const ROOM = { left: 56, right: 8, top: 8, bottom: 22 } as const;
const WIDEST = 96;
const GAP = 0.22;

export interface Bars {
  /** Left end and width of each bar's place, in pixels of CSS. */
  left: (at: number) => number;
  pitch: number;
  width: number;
  /** Pixels of so many microseconds. */
  height: (microseconds: number) => number;
  floor: number;
  /** The greatest time of a step, of those that are no warm-up where these are far longer. */
  most: number;
  cut: boolean;
}

export const totals = (steps: StepColumns): number[] => steps.name.map((_, at) => steps.categories.reduce((sum, part) => sum + steps.time[part][at], 0));

/** Lays bars out; a warm-up that dwarfs all others is cut at twice their height, for these to be seen. */
export function bars(steps: StepColumns, sums: readonly number[], width: number, height: number): Bars {
  const usual = Math.max(0, ...sums.filter((_, at) => !steps.warmup[at]));
  const all = Math.max(0, ...sums);
  const cut = usual > 0 && all > 2 * usual;
  const most = (cut ? 2 * usual : all) || 1;
  const pitch = Math.min(WIDEST, (width - ROOM.left - ROOM.right) / Math.max(1, steps.name.length));
  const gap = pitch > 4 ? pitch * GAP : 0;
  const floor = height - ROOM.bottom;
  return {
    left: (at) => ROOM.left + at * pitch + gap / 2,
    pitch,
    width: Math.max(0.5, pitch - gap),
    height: (microseconds) => ((floor - ROOM.top) * Math.min(microseconds, most)) / most,
    floor,
    most,
    cut,
  };
}

/** The step at a place, -1 beside all of them. */
export function stepAt({ pitch }: Bars, many: number, x: number): number {
  const at = Math.floor((x - ROOM.left) / pitch);
  return at >= 0 && at < many ? at : -1;
}

/** What a step is made of, the longest first, without what it has nothing of. */
export function partsOf(steps: StepColumns, at: number): [Part, number][] {
  return steps.categories
    .map((part): [Part, number] => [part, steps.time[part][at]])
    .filter(([, time]) => time > 0)
    .sort((a, b) => b[1] - a[1]);
}

/** How many microseconds apart the lines of the axis are: 1, 2 or 5 times a power of ten. */
export function gridStep(most: number, lines: number): number {
  const rough = most / Math.max(1, lines);
  const power = 10 ** Math.floor(Math.log10(rough));
  const [one] = [1, 2, 5, 10].filter((nice) => nice * power >= rough * 0.999);
  return one * power;
}
