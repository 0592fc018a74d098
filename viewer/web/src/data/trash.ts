import { checked } from "./api";

/** What is in the trash, by the time at which it was moved there. */
export interface TrashEntry {
  id: string;
  /** Seconds since 1970. */
  when: number;
  runs: string[];
  bytes: number;
}

export interface TrashAnswer {
  /** Whether runs may be deleted and restored here; otherwise why not. */
  allowed: boolean;
  reason: string | null;
  entries: TrashEntry[];
}

export interface TrashOutcome {
  /** For `restore`; null where nothing was moved. */
  id: string | null;
  /** `left`: what else lies in the run's directory, and stays there. */
  moved: { run: string; files: number; left: string[] }[];
  kept: { run: string; reason: string }[];
}

export async function fetchTrash(): Promise<TrashAnswer> {
  return (await checked(await fetch("./api/trash", { cache: "no-store" }))).json() as Promise<TrashAnswer>;
}

async function post(path: string, body: unknown): Promise<TrashOutcome> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  return (await checked(response)).json() as Promise<TrashOutcome>;
}

/** Moves runs to the trash; those that are still written to only where `running` says so. */
export function moveToTrash(runs: readonly string[], running = false): Promise<TrashOutcome> {
  return post("./api/trash", { runs, running });
}

/** Deletes what was moved to the trash at one time, for good. */
export function purge(id: string): Promise<TrashOutcome> {
  return post("./api/trash/purge", { id, for_good: true });
}

/** Brings back what was moved at one time, all of it or some runs. */
export function restore(id: string, runs?: readonly string[]): Promise<TrashOutcome> {
  return post("./api/trash/restore", { id, runs });
}
