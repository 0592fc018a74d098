import { checked } from "./api";

export type RunStatus = "running" | "finished" | "stalled" | "failed";
export type Hparam = number | string | boolean;

/** What the server knows of a run beyond its points; see GET /api/facts in docs/viewer.md. */
export interface RunFact {
  status: RunStatus;
  /** Wall times of the first and last value, seconds since 1970. */
  started: number | null;
  ended: number | null;
  /** The run's directory, absolute, or a URL. */
  path: string;
  hparams: Record<string, Hparam>;
  last_step: number | null;
  /** Of a run that torch's add_hparams made: the run above, which has these hyperparameters too. */
  hparams_of?: string;
}

export interface FactsAnswer {
  version: number;
  /** Runs whose hyperparameters were not read yet. */
  pending: number;
  runs: Record<string, RunFact>;
}

export async function fetchFacts(): Promise<FactsAnswer> {
  const response = await fetch("./api/facts", { cache: "no-cache" });
  return (await checked(response)).json() as Promise<FactsAnswer>;
}
