import { checked } from "../../data/api";
import { Batched } from "../../data/batched";

/** Names a curve. */
export interface Named {
  run: string;
  tag: string;
  step: number;
  wall: number;
}

type Column = readonly (number | null)[];

/** A curve: a number of each column at each threshold, in rising order. */
export interface Curve {
  kind: "pr" | "roc";
  /** Thresholds that there are; the columns may have fewer of them, evenly. */
  thresholds: number;
  /** Average precision, and the area under the ROC curve; null where a class is absent. */
  ap: number | null;
  auc: number | null;
  /** Whether that area is of the predictions themselves, not of those rounded to thresholds. */
  exact: boolean;
  threshold: readonly number[];
  precision: Column;
  recall: Column;
  fpr: Column;
  tp: readonly number[];
  fp: readonly number[];
  tn: readonly number[];
  fn: readonly number[];
}

export type Told = Curve | { problem: string };

async function fetchCurves(values: readonly Named[]): Promise<Told[]> {
  const response = await fetch("./api/curves", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ values }),
  });
  return ((await (await checked(response)).json()) as { values: Told[] }).values;
}

const batched = new Batched<Named, Told>(fetchCurves, 100, 4_000);

export function curveOf({ run, tag, step, wall }: Named): Promise<Told> {
  return batched.get({ run, tag, step, wall });
}
