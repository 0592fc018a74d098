import { HUES, hueColour } from "../../chart/palette";
import { valueText } from "../../chart/format";
import type { Hparam } from "../../data/facts";
import { lastingHues } from "../../data/hues";
import { sortNaturally } from "../../data/order";
import { ramp } from "./ramp";
import { Pattern } from "./regex";

/** Runs that no group takes in. */
const NEUTRAL = { dark: "#8b92a1", light: "#676e7c" };

export interface Legend {
  kind: "groups" | "ramp";
  /** Groups in order, most of them first where there are too many to name; for a ramp its two ends. */
  entries: readonly { label: string; colour: (dark: boolean) => string; runs: number }[];
  logarithmic: boolean;
  /** What stands halfway up a ramp. */
  middle: (dark: boolean) => string;
}

export interface Colouring {
  colourOf: (run: string, dark: boolean) => string;
  legend: Legend;
}

function neutral(dark: boolean): string {
  return dark ? NEUTRAL.dark : NEUTRAL.light;
}

/** As many different numbers have a hue each, as flags kept as 0 and 1; more are put on a scale. */
const MOST_CATEGORIES = 2;

/** Colours by what each run is called: equal labels get equal hues, and null none. */
export function byGroups(runs: readonly string[], labelOf: (run: string) => string | null): Colouring {
  const labels = new Map(runs.map((run) => [run, labelOf(run)]));
  const counts = new Map<string, number>();
  for (const label of labels.values()) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
  const names = sortNaturally(counts.keys());
  const hues = lastingHues(names, HUES.length);
  const colour = (label: string | null, dark: boolean): string => (label === null ? neutral(dark) : hueColour(hues.get(label) ?? 0, dark));
  const entries = names.map((label) => ({ label, colour: (dark: boolean) => colour(label, dark), runs: counts.get(label) ?? 0 }));
  const left = runs.length - entries.reduce((sum, entry) => sum + entry.runs, 0);
  if (left > 0) entries.push({ label: "others", colour: neutral, runs: left });
  return { colourOf: (run, dark) => colour(labels.get(run) ?? null, dark), legend: { kind: "groups", entries, logarithmic: false, middle: neutral } };
}

/** Colours by a number; by its logarithm where all are positive and far apart, as learning rates are. */
export function byNumbers(runs: readonly string[], valueOf: (run: string) => number | undefined): Colouring {
  const values = new Map<string, number>();
  for (const run of runs) {
    const value = valueOf(run);
    if (value !== undefined && Number.isFinite(value)) values.set(run, value);
  }
  let [lo, hi] = [Infinity, -Infinity];
  for (const value of values.values()) [lo, hi] = [Math.min(lo, value), Math.max(hi, value)];
  const logarithmic = lo > 0 && hi / lo >= 50;
  const scale = logarithmic ? Math.log : (value: number): number => value;
  const span = scale(hi) - scale(lo) || 1;
  const colourOf = (run: string, dark: boolean): string => {
    const value = values.get(run);
    return value === undefined ? neutral(dark) : ramp((scale(value) - scale(lo)) / span, dark);
  };
  const end = (value: number, at: number): Legend["entries"][number] => ({ label: valueText(value), colour: (dark) => ramp(at, dark), runs: 0 });
  return { colourOf, legend: { kind: "ramp", entries: values.size > 0 ? [end(lo, 0), end(hi, 1)] : [], logarithmic, middle: (dark) => ramp(0.5, dark) } };
}

/** @throws SyntaxError for a broken pattern. */
export function byPattern(runs: readonly string[], source: string): Colouring {
  const pattern = new Pattern(source);
  return byGroups(runs, (run) => {
    const found = pattern.find(run);
    return found && (found.group ?? source);
  });
}

export function byHparam(runs: readonly string[], valueOf: (run: string) => Hparam | undefined): Colouring {
  const values = runs.map(valueOf).filter((value) => value !== undefined);
  const numbers = values.every((value) => typeof value === "number");
  if (numbers && new Set(values).size > MOST_CATEGORIES) return byNumbers(runs, (run) => valueOf(run) as number | undefined);
  return byGroups(runs, (run) => {
    const value = valueOf(run);
    return value === undefined ? null : String(value);
  });
}
