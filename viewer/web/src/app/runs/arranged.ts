import type { RunNote } from "../../data/sidecar";

/** The runs without those that somebody hid, and those that somebody pinned in front. */
export function arranged(runs: readonly string[], notes: Readonly<Record<string, RunNote>>, withHidden: boolean): readonly string[] {
  const named = (run: string): RunNote | null => (Object.hasOwn(notes, run) ? notes[run] : null);
  const shown = withHidden ? runs : runs.filter((run) => !named(run)?.hidden);
  const pinned = shown.filter((run) => named(run)?.pinned);
  return pinned.length === 0 ? shown : [...pinned, ...shown.filter((run) => !named(run)?.pinned)];
}
