import type { BucketColumns } from "./buckets";
import type { Tail } from "./wire";

const NONE = new Float64Array(0);

type Numbers = Tail["value"];

/** As they came, where they are as wide as is drawn: a copy of every first answer would cost more than drawing it. */
function taken(numbers: Numbers): Float64Array {
  return numbers instanceof Float64Array ? numbers : new Float64Array(numbers);
}

function grown(array: Float64Array, capacity: number): Float64Array {
  const bigger = new Float64Array(capacity);
  bigger.set(array);
  return bigger;
}

/** Without what else its frame held. */
function copied({ rows, start, points, mean, odd }: BucketColumns): BucketColumns {
  return { rows, start: start.slice(), points: points.slice(), mean: mean.slice(), ...(odd && { odd: odd.slice() }) };
}

/**
 * The points of one series: typed arrays that grow; only the first `n` of each are points.
 *
 * Of a long series these are the ones that its pixels show: the first, the last, the least and the
 * greatest of each bucket. Whatever else it has is told by `points` and `buckets`.
 */
export class Columns {
  n = 0;
  step: Float64Array = NONE;
  wall: Float64Array = NONE;
  value: Float64Array = NONE;
  /** The smoothed values that the server computed on all points; null where it was not asked. */
  line: Float64Array | null = null;
  /** How many points of the series these stand for: `n`, unless they were chosen. */
  points = 0;
  /** What those of the first fetch were chosen from; null where they are all. */
  buckets: BucketColumns | null = null;
  /** Of a part of a series: the columns that show all of it. */
  whole: Columns | null = null;
  /** Whether the steps, and the wall times, never go back: then they can be searched. */
  stepRises = true;
  wallRises = true;
  /** Goes up when points were taken away or changed, and not when they were added. */
  edition = 0;

  clear(): void {
    if (this.n === 0) return;
    this.n = this.points = 0;
    this.line = this.buckets = null;
    this.stepRises = this.wallRises = true;
    this.edition++;
  }

  /** Adds the points of `tail` from its index `from` on. */
  append(tail: Tail, from = 0): void {
    const more = tail.step.length - from;
    if (more <= 0) return;
    if (this.n === 0) this.#begin(tail, from);
    else this.#extend(tail, from, this.n + more);
    const start = Math.max(1, this.n);
    this.n += more;
    this.points = tail.buckets ? tail.total : this.points + more;
    for (let i = start; i < this.n; i++) {
      if (this.step[i] < this.step[i - 1]) this.stepRises = false;
      if (this.wall[i] < this.wall[i - 1]) this.wallRises = false;
    }
  }

  /** Whether the first point of `tail` is the last one held. */
  meets(tail: Tail): boolean {
    const last = this.n - 1;
    return (
      last >= 0 &&
      tail.step.length > 0 &&
      tail.step[0] === this.step[last] &&
      tail.wall[0] === this.wall[last] &&
      Object.is(tail.value[0], this.value[last])
    );
  }

  /** Full arrays: what comes later finds no room in them, and so never writes into what an answer brought. */
  #begin(tail: Tail, from: number): void {
    this.step = tail.step.subarray(from);
    this.wall = tail.wall.subarray(from);
    this.value = taken(tail.value.subarray(from));
    this.line = tail.line ? taken(tail.line.subarray(from)) : null;
    if (tail.buckets && !tail.buckets.exact) this.buckets = copied(tail.buckets);
  }

  #extend(tail: Tail, from: number, needed: number): void {
    this.#reserve(needed);
    this.step.set(tail.step.subarray(from), this.n);
    this.wall.set(tail.wall.subarray(from), this.n);
    this.value.set(tail.value.subarray(from), this.n);
    this.line?.set((tail.line ?? tail.value).subarray(from), this.n);
  }

  #reserve(needed: number): void {
    if (needed <= this.step.length) return;
    const capacity = Math.max(needed, Math.ceil(this.step.length * 1.5), 64);
    this.step = grown(this.step, capacity);
    this.wall = grown(this.wall, capacity);
    this.value = grown(this.value, capacity);
    if (this.line) this.line = grown(this.line, capacity);
  }
}
