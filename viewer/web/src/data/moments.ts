import type { Times } from "./values.svelte";
import { placeOf } from "../ui/steps";

/** A value: which step and when. */
export interface Moment {
  step: number;
  wall: number;
}

interface Ordered {
  steps: readonly number[];
  /** Where in the series each step's last value stands. */
  places: readonly number[];
}

const made = new WeakMap<Times, Ordered>();

function ordered(times: Times): Ordered {
  let found = made.get(times);
  if (!found) {
    const last = new Map(times.step.map((step, place) => [step, place]));
    const steps = [...last.keys()].sort((a, b) => a - b);
    made.set(times, (found = { steps, places: steps.map((step) => last.get(step) as number) }));
  }
  return found;
}

/** The steps of a series in order, each once: of a step that was written twice, the later value counts. */
export function stepsOf(times: Times): readonly number[] {
  return ordered(times).steps;
}

/** The value that stands for a step: the last that is not later, or where all are later, the first; null for the latest. */
export function momentAt(times: Times, at: number | null): Moment | null {
  const { steps, places } = ordered(times);
  const which = at === null ? steps.length - 1 : placeOf(steps, at);
  return which < 0 ? null : { step: steps[which], wall: times.wall[places[which]] };
}

/** The value of exactly this step. */
export function momentOf(times: Times, step: number): Moment | null {
  const found = momentAt(times, step);
  return found?.step === step ? found : null;
}
