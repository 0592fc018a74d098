import { columnOf, MEASURES, type Column } from "../../app/runs/columns";
import { sortNaturally } from "../../data/order";
import type { Metric, TrialSubject } from "./trials";

/**
 * A column of the table and an axis of the plots. Called as in the table of runs; a scalar of a run below the trial's
 * is "last@", the run, encoded as in an address, ":" and the tag.
 */
export interface Field extends Omit<Column, "value"> {
  value: (subject: TrialSubject) => ReturnType<Column["value"]>;
  /** Whether it is a scalar's figure, which a group of seeds has a mean of. */
  metric: boolean;
}

const BELOW = /^(last|min|max|first)@([^:]*):(.+)$/s;

/** Which scalar a column is of. */
export function metricOf(id: string): { measure: string; group: string; tag: string } | null {
  const [, measure, tag] = /^(last|min|max|first):(.+)$/s.exec(id) ?? [];
  if (measure) return { measure, group: "", tag };
  const [, below, group, of] = BELOW.exec(id) ?? [];
  if (!below) return null;
  try {
    return { measure: below, group: decodeURIComponent(group), tag: of };
  } catch {
    return null;
  }
}

export function idOf(measure: (typeof MEASURES)[number], group: string, tag: string): string {
  return group === "" ? `${measure}:${tag}` : `${measure}@${encodeURIComponent(group.replace(/\p{Surrogate}/gu, "\ufffd"))}:${tag}`;
}

/** Null for what is no column's name. */
export function fieldOf(id: string, isNumeric: (hparam: string) => boolean): Field | null {
  const metric = metricOf(id);
  const column = columnOf(metric ? `${metric.measure}:${metric.tag}` : id, isNumeric);
  if (!column) return null;
  const width = Math.min(220, column.width + 18 + (column.id.startsWith("hp:") && column.numeric ? 32 : 0));
  if (!metric || metric.group === "") return { ...column, width, metric: metric !== null };
  const measure = metric.measure as (typeof MEASURES)[number];
  return {
    ...column,
    id,
    title: `${metric.group}: ${metric.tag}`,
    width: Math.min(240, column.width + metric.group.length * 7),
    metric: true,
    value: (subject) => subject.figuresIn(metric.group, metric.tag)?.[measure],
  };
}

const MOST_HPARAMS = 12;
const MOST_METRICS = 4;

/** How much a scalar looks like what a search is about: torch's and Lightning's own metrics first, then test, validation. */
function rank({ tag, group }: Metric): number {
  const name = `${group}/${tag}`;
  if (/^\/?(hparam\/|hp_metric)/.test(name)) return 0;
  const held = /val|test|eval/i.test(name) ? 0 : 1;
  return (/loss|acc|error|score|auc|f1|reward|return|bleu|perplexity|mse|mae|rmse|r2/i.test(tag) ? 1 : 3) + held;
}

/** What tells most of these trials, for who has chosen no columns: hyperparameters that differ, and likely metrics. */
export function usualFields(hparams: readonly string[], metrics: readonly Metric[]): string[] {
  const order = new Map(sortNaturally(metrics.map(({ tag }) => tag)).map((tag, i) => [tag, i]));
  const best = [...metrics].sort((a, b) => rank(a) - rank(b) || b.trials - a.trials || (order.get(a.tag) ?? 0) - (order.get(b.tag) ?? 0));
  return [...hparams.slice(0, MOST_HPARAMS).map((name) => `hp:${name}`), ...best.slice(0, MOST_METRICS).map(({ group, tag }) => idOf("last", group, tag))];
}
