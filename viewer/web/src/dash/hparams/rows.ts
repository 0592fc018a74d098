import type { Hparam } from "../../data/facts";
import { wordOf } from "./brush";
import type { Field } from "./fields";
import type { Middle } from "./settings";
import type { Trial, TrialSubject } from "./trials";

type Value = Hparam | undefined;

/** A row of the table, a line, a point: one trial, or several that differ in nothing but their seeds. */
export interface Row {
  key: string;
  name: string;
  /** Every run of it. */
  runs: readonly string[];
  trials: readonly Trial[];
  /** By column. */
  values: ReadonlyMap<string, Value>;
}

export function middleOf(numbers: readonly number[], how: Middle): number {
  // As numpy does: one that is not a number leaves nothing.
  if (numbers.some(Number.isNaN)) return NaN;
  if (how === "min") return Math.min(...numbers);
  if (how === "max") return Math.max(...numbers);
  if (how === "mean") return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[at] : (sorted[at - 1] + sorted[at]) / 2;
}

/** What several trials have in a column: of numbers that were measured the middle, else what they share, or how many they have. */
function joint(field: Field, subjects: readonly TrialSubject[], how: Middle): Value {
  const values = subjects.map((subject) => field.value(subject)).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  if (field.id === "started") return Math.min(...values.map(Number));
  if (field.metric || field.id === "duration" || field.id === "step") return middleOf(values.map(Number), how);
  const words = [...new Set(values)];
  return words.length === 1 ? words[0] : `${words.length} values`;
}

/** What of a trial's hyperparameters has to be equal. */
function sameness({ trial, hparams }: TrialSubject, but: ReadonlySet<string>): string {
  if (trial.bare) return JSON.stringify([trial.run]);
  return JSON.stringify(
    Object.entries(hparams)
      .filter(([name]) => !but.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function groupsOf(subjects: readonly TrialSubject[], but: ReadonlySet<string>): TrialSubject[][] {
  const groups = new Map<string, TrialSubject[]>();
  for (const subject of subjects) {
    const key = sameness(subject, but);
    const group = groups.get(key);
    if (group) group.push(subject);
    else groups.set(key, [subject]);
  }
  return [...groups.values()];
}

/** A group by those of its hyperparameters in which groups differ. */
function nameOf({ hparams, run }: TrialSubject, telling: readonly string[]): string {
  const said = telling.filter((name) => Object.hasOwn(hparams, name)).map((name) => `${name}=${wordOf(hparams[name])}`);
  return said.join(", ") || run;
}

/** `but`: the hyperparameters in which runs of one row may differ; null for a row each. */
export function rowsOf(subjects: readonly TrialSubject[], fields: readonly Field[], but: ReadonlySet<string> | null, how: Middle): Row[] {
  if (!but) {
    return subjects.map((subject) => ({
      key: subject.run,
      name: subject.run,
      runs: subject.trial.members.map(({ run }) => run),
      trials: [subject.trial],
      values: new Map(fields.map((field) => [field.id, field.value(subject)])),
    }));
  }
  const groups = groupsOf(subjects, but);
  const names = new Set(subjects.flatMap(({ hparams }) => Object.keys(hparams)));
  const telling = [...names].filter((name) => !but.has(name) && new Set(groups.map(([{ hparams }]) => hparams[name])).size > 1).sort();
  return groups.map((group) => ({
    key: group[0].run,
    name: group.length > 1 ? nameOf(group[0], telling) : group[0].run,
    runs: group.flatMap(({ trial }) => trial.members.map(({ run }) => run)),
    trials: group.map(({ trial }) => trial),
    values: new Map(fields.map((field) => [field.id, joint(field, group, how)])),
  }));
}
