import { Marks } from "./marks";

/**
 * Which runs are ticked. "except" names the few that are off, so a run that starts later
 * is on; "only" names the few that are on, so a run that starts later stays off.
 */
export interface Selection {
  readonly mode: "except" | "only";
  /** Marks, when an address told of more runs than it could name. */
  readonly names: ReadonlySet<string> | Marks;
}

export const ALL: Selection = { mode: "except", names: new Set() };

export function isOn(selection: Selection, run: string): boolean {
  return selection.names.has(run) === (selection.mode === "only");
}

/** Ticks or unticks the given runs and leaves the others as they are. */
export function tick(selection: Selection, runs: Iterable<string>, on: boolean): Selection {
  const listed = on === (selection.mode === "only");
  if (selection.names instanceof Marks) return { mode: selection.mode, names: selection.names.changed(runs, listed) };
  const names = new Set(selection.names);
  for (const run of runs) {
    if (listed) names.add(run);
    else names.delete(run);
  }
  return { mode: selection.mode, names };
}

/** Ticks or unticks everything that matches, and all to come when nothing was filtered out. */
export function tickAll(selection: Selection, runs: readonly string[], on: boolean, everything: boolean): Selection {
  if (!everything) return tick(selection, runs, on);
  return on ? ALL : { mode: "only", names: new Set() };
}

/** Only this run; asked again for the run that already stands alone, all of them. */
export function soloed(selection: Selection, run: string, runs: readonly string[]): Selection {
  const alone = runs.every((name) => isOn(selection, name) === (name === run));
  return alone ? ALL : { mode: "only", names: new Set([run]) };
}
