import type { Wanted } from "./api";
import { coarser, ROOM, shapeOf, smoothOf, widened, type BucketAxis, type Recipe, type Span } from "./buckets";
import { Columns } from "./columns";
import type { Tail } from "./wire";

/** A long series that grows is fetched anew no sooner after the last time, nor than so many times its own cost. */
const PAUSE_MS = 1_000;
const PAUSE_SHARE = 5;
/** So many points for each bucket, tails included, and a series is put into buckets anew. */
const GROWN = 2 * ROOM;
/** Details held of one series: what is shown, and what is still shown until that is there. */
const DETAILS = 3;

/** A part of a long series, finer than the whole. */
interface Detail {
  /** On the axis of the recipe it was made with. */
  lo: number;
  hi: number;
  count: number;
  exact: boolean;
  total: number;
  made: string;
  columns: Columns;
}

/** One series asked for, and of what the answer will be a part. */
export interface Ask {
  held: Held;
  wanted: Wanted;
  detail: { lo: number; hi: number; count: number } | null;
  recipe: Recipe | null;
  /** Whether it was asked because what is held may be of another series. */
  doubted: boolean;
  /** How many points the answer is likely to have. */
  cost: number;
}

/** One series, as far as it is held. */
export class Held {
  columns = new Columns();
  /** Points that the server is known to have. */
  total = 0;
  /** What `total` was when these points were last asked for. */
  asked = 0;
  /** What these points are part of: the server counts up when points that it sent no longer stand. */
  generation = 0;
  /** The generation that the server was last heard to have. */
  heard = 0;
  /** How many points stood when the server was last heard of. */
  standing = 0;
  /** The server may have other points than ours under the same count: look again. */
  doubtful = false;
  /** When a long series that grew may be fetched anew. */
  due = 0;
  /** Until when what is held will do, while the server reads for the first time. */
  rest = 0;
  #shape = "";
  #smooth = "";
  #details: Detail[] = [];
  /** How a detail has to be made to be of what is held now. */
  #wanted = "";
  /** Goes up when these may be other points under the same names. */
  #era = 0;

  constructor(
    readonly run: string,
    readonly tag: string,
  ) {}

  /** Points in memory. */
  get size(): number {
    return this.#details.reduce((sum, { columns }) => sum + (columns === this.columns ? 0 : columns.n), this.columns.n);
  }

  /** Whether what is held was chosen from more. */
  get chosen(): boolean {
    return this.columns.buckets !== null;
  }

  clear(): void {
    this.columns.clear();
    this.#details = [];
  }

  letGo(): void {
    this.columns = new Columns();
    this.#details = [];
  }

  /** What shows `view` best: the finest part that has all of it, or the whole. */
  best(view: Span, axis: BucketAxis): Columns {
    const part = this.#placed(view, axis);
    return (part && (this.#finest(part, this.#wanted) ?? this.#finest(part)))?.columns ?? this.columns;
  }

  /**
   * What is to be asked for so that all points, or enough to choose from, are held. Null when they are;
   * a time when it is too early.
   */
  wantsWhole(everything: boolean, recipe: Recipe | null, now: number): Ask | number | null {
    const { points, n } = this.columns;
    const long = recipe !== null && this.total > ROOM * recipe.count * (n > 0 && !this.chosen ? 2 : 1);
    const stale = long && this.#stale(recipe);
    if (this.total === points && !this.doubtful && !stale) return null;
    const grown = this.total - points;
    const full = long && (!this.chosen || grown > ROOM * recipe.count || n > GROWN * recipe.count);
    // Only the average that looks back alone goes on from where it was.
    const back = !recipe?.smooth || recipe.smooth.kind === "ema";
    const whole = stale || full || grown < 0 || (this.chosen && !back);
    if (whole && this.chosen && !stale && !this.doubtful && now < this.due) return this.due;
    const since = whole ? 0 : Math.max(0, points - 1);
    const cost = long && whole ? ROOM * recipe.count : Math.max(0, grown);
    return this.#ask(everything, long || this.chosen ? recipe : null, since, cost);
  }

  /** What is to be asked for so that `view` is shown as finely as the screen can; otherwise as `wantsWhole`. */
  wantsDetail(view: Span, everything: boolean, recipe: Recipe, now: number): Ask | number | null {
    const part = this.#placed(view, recipe.axis);
    if (!this.chosen || this.doubtful || !part || !(part.hi > part.lo)) return null;
    this.#wanted = `${shapeOf(recipe)} ${smoothOf(recipe)} ${this.generation} ${this.#era}`;
    const finest = this.#finest(part, this.#wanted);
    const { count, axis, log } = recipe;
    const ends = this.#ends(axis);
    if (finest && (finest.exact || !coarser(finest, finest.count, part, count, log))) {
      if (finest.total === this.total || finest.hi < ends.hi) return null;
      if (now < this.due) return this.due;
    } else if (!finest && !coarser(ends, count, part, count, log)) return null;
    const detail = { ...widened(part, log), count: Math.min(8192, count * 2) };
    const ask = this.#ask(everything, recipe, 0, ROOM * detail.count);
    return { ...ask, detail, wanted: { ...ask.wanted, buckets: { ...ask.wanted.buckets!, ...detail } } };
  }

  /** Puts an answer in place; says whether anything changed. */
  take(tail: Tail, { wanted, detail, recipe, doubted }: Ask, took: number, now: number): boolean {
    if (recipe) this.due = now + Math.max(PAUSE_MS, PAUSE_SHARE * took);
    if (detail) return this.#takeDetail(tail, detail);
    if (doubted) this.#era++;
    const { columns } = this;
    const before = columns.points;
    const edition = columns.edition;
    this.doubtful = tail.generation < this.heard;
    this.generation = tail.generation;
    // News that came while the answer was under way is newer than the answer.
    if (this.total === this.asked) this.total = tail.total;
    if (tail.step.length === 0 && tail.total > 0) {
      // No room for it in this answer. Waiting for its next news beats asking for ever.
      this.total = before;
    } else if (tail.since === 0) {
      if (wanted.since > 0 || before > 0) columns.clear();
      columns.append(tail);
      this.#shape = recipe ? shapeOf(recipe) : "";
      this.#smooth = recipe ? smoothOf(recipe) : "";
    } else if (tail.since === before - 1 && columns.meets(tail)) {
      columns.append(tail, 1);
      if (!tail.line) this.#smooth = "";
    } else {
      columns.clear();
    }
    return columns.points !== before || columns.edition !== edition;
  }

  #takeDetail(tail: Tail, part: NonNullable<Ask["detail"]>): boolean {
    if (tail.generation !== this.generation) this.doubtful = true;
    if (this.doubtful) return false;
    // Where there is nothing, the whole shows nothing either.
    const columns = tail.buckets ? new Columns() : this.columns;
    if (tail.buckets) {
      columns.append(tail);
      columns.whole = this.columns;
    }
    const detail = { ...part, exact: tail.buckets?.exact ?? true, total: tail.total, made: this.#wanted, columns };
    const others = this.#details.filter(({ lo, hi, made }) => made === this.#wanted && (lo !== part.lo || hi !== part.hi));
    this.#details = [detail, ...others].slice(0, DETAILS);
    return true;
  }

  #ask(everything: boolean, recipe: Recipe | null, since: number, cost: number): Ask {
    const { run, tag, generation } = this;
    const smooth = recipe?.smooth;
    const wanted: Wanted = {
      run,
      tag,
      since,
      generation,
      ...(everything && { superseded: true }),
      ...(recipe && { buckets: { count: recipe.count, x: recipe.axis, ...(recipe.log && { log: true }) } }),
      ...(smooth && { smooth }),
    };
    return { held: this, wanted, detail: null, recipe, doubted: this.doubtful, cost };
  }

  #stale(recipe: Recipe): boolean {
    if (!this.chosen) return false;
    return shapeOf(recipe) !== this.#shape || (recipe.smooth !== null && smoothOf(recipe) !== this.#smooth);
  }

  /** A view on the axis of the buckets; null where it is on another. */
  #placed({ axis, lo, hi }: Span, bucketed: BucketAxis): { lo: number; hi: number } | null {
    if (axis === bucketed) return { lo, hi };
    if (axis !== "first" || bucketed !== "step") return null;
    return { lo: lo + this.columns.step[0], hi: hi + this.columns.step[0] };
  }

  #finest(part: { lo: number; hi: number }, made?: string): Detail | null {
    const having = this.#details.filter((one) => one.lo <= part.lo && one.hi >= part.hi && (made === undefined || one.made === made));
    return having.reduce<Detail | null>((best, one) => (!best || one.hi - one.lo < best.hi - best.lo ? one : best), null);
  }

  #ends(axis: BucketAxis): { lo: number; hi: number } {
    const { n, step, wall } = this.columns;
    const along = axis === "step" ? step : wall;
    const origin = axis === "relative" ? wall[0] : 0;
    let lo = Infinity;
    let hi = -Infinity;
    for (let i = 0; i < n; i++) {
      if (along[i] < lo) lo = along[i];
      if (along[i] > hi) hi = along[i];
    }
    return { lo: lo - origin, hi: hi - origin };
  }
}
