/** What changed between two profiles, as the server says it. Times are nanoseconds of a step. */
import type { Chosen, Listed } from "../../wire";

export interface Side {
  worker: string;
  source: string;
  rank: number | null;
  counted: number;
  step: number;
  marked: boolean;
  verdict: { kind: string; degree: string; share: number; says: string };
}

export interface Difference {
  says: string;
  notes: readonly string[];
  certain: boolean | null;
  interval: readonly [number, number] | null;
  base: Side;
  now: Side;
  parts: readonly { name: string; base: number; now: number }[];
}

const same = (one: Chosen, other: Chosen): boolean => one.run === other.run && one.trace === other.trace;

/** The profile that is meant as the baseline: the one named, else one of another run by the same worker, else any other. */
export function baselineOf(profiles: readonly Listed[], chosen: Chosen, run: string, trace: string): Listed | null {
  const others = profiles.filter((one) => !same(one, chosen));
  const named = others.find((one) => one.run === run && one.trace === trace) ?? (run ? others.find((one) => one.run === run) : undefined);
  if (named) return named;
  const worker = profiles.find((one) => same(one, chosen))?.worker;
  return others.find((one) => one.run !== chosen.run && one.worker === worker) ?? others.find((one) => one.run === chosen.run) ?? others[0] ?? null;
}
