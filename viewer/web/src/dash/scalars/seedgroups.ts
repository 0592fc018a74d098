import { Pattern } from "../../app/runs/regex";
import type { Hparam, RunFact } from "../../data/facts";
import type { SeedsBy } from "./settings";

export interface SeedGroup {
  name: string;
  runs: string[];
}

/** What of a run's hyperparameters has to be equal. */
function sameness(hparams: Record<string, Hparam>, but: ReadonlySet<string>): string {
  return JSON.stringify(
    Object.entries(hparams)
      .filter(([name]) => !but.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** A group by those of its hyperparameters in which groups differ: `lr=0.1, depth=2`. */
function nameOf(hparams: Record<string, Hparam>, telling: readonly string[]): string {
  return telling.filter((name) => Object.hasOwn(hparams, name)).map((name) => `${name}=${String(hparams[name])}`).join(", ");
}

function byHparams(runs: readonly string[], factOf: (run: string) => RunFact | undefined, but: ReadonlySet<string>): SeedGroup[] {
  const groups = new Map<string, SeedGroup & { hparams: Record<string, Hparam> }>();
  for (const run of runs) {
    const hparams = factOf(run)?.hparams ?? {};
    // One that says nothing of itself belongs to nobody.
    const key = Object.keys(hparams).length === 0 ? `\0${run}` : sameness(hparams, but);
    const group = groups.get(key);
    if (group) group.runs.push(run);
    else groups.set(key, { name: run, runs: [run], hparams });
  }
  const found = [...groups.values()];
  const names = new Set(found.flatMap(({ hparams }) => Object.keys(hparams)));
  const said = found.filter(({ hparams }) => Object.keys(hparams).length > 0);
  const telling = [...names].filter((name) => !but.has(name) && new Set(said.map(({ hparams }) => hparams[name])).size > 1).sort();
  return found.map(({ name, runs, hparams }) => ({ name: nameOf(hparams, telling) || (runs.length > 1 ? "all runs" : name), runs }));
}

function byRegex(runs: readonly string[], text: string): SeedGroup[] {
  let pattern: Pattern;
  try {
    pattern = new Pattern(text);
  } catch {
    return runs.map((run) => ({ name: run, runs: [run] }));
  }
  const groups = new Map<string, SeedGroup>();
  for (const run of runs) {
    const found = pattern.find(run)?.group;
    const key = found === undefined || found === null ? `\0${run}` : found;
    const group = groups.get(key);
    if (group) group.runs.push(run);
    else groups.set(key, { name: found ?? run, runs: [run] });
  }
  return [...groups.values()];
}

/** Runs that belong together, in the order of their first; one that belongs to none is a group by itself. */
export function seedGroups(
  runs: readonly string[],
  by: SeedsBy,
  regex: string,
  but: readonly string[],
  factOf: (run: string) => RunFact | undefined,
): SeedGroup[] {
  return by === "regex" ? byRegex(runs, regex) : byHparams(runs, factOf, new Set(but));
}
