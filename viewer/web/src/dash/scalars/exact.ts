import { rises } from "../../chart/join";
import type { Smoothing } from "../../chart/smooth";
import type { Trace } from "../../chart/trace";
import { checked } from "../../data/api";
import { coarser, widened } from "../../data/buckets";
import { decodeFrame, type Tail } from "../../data/wire";
import type { BandKind, Centre } from "./settings";

/** Runs that the server is to make one line of, from all of their points. */
export interface SeedsAsked {
  tag: string;
  runs: readonly string[];
  centre: Centre;
  band: BandKind;
  x: "step" | "first" | "relative" | "wall";
  /** Tags, of which the first that a run has is what its points stand at instead. */
  across?: readonly string[];
  superseded: boolean;
  smooth: Smoothing | null;
  log: boolean;
}

interface Part {
  lo: number;
  hi: number;
}

export interface SeedsWanted {
  tag: string;
  runs: readonly string[];
  centre: Centre;
  band: Exclude<BandKind, "none">;
  x: SeedsAsked["x"];
  across?: readonly string[];
  superseded: boolean;
  buckets: { count: number; log?: true; lo?: number; hi?: number };
  smooth?: Smoothing;
}

/** Buckets of one answer: at least as many as a chart has columns of pixels. */
const COUNT = 1024;
/** A line that grows is worked out anew after this long at the soonest. */
const PAUSE_MS = 1_500;
const COLUMNS = 5;

export async function fetchSeeds(groups: readonly SeedsWanted[]): Promise<Tail[]> {
  const response = await fetch("./api/seeds", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ groups }),
  });
  return decodeFrame(await (await checked(response)).arrayBuffer());
}

type Line = Pick<Trace, "n" | "x" | "origin" | "rising" | "step" | "wall" | "raw" | "line" | "low" | "high" | "count" | "points">;

/** What one answer says, with or without its band. */
export function lineOf([centre, low, high, count, place]: readonly Tail[], asked: SeedsAsked): Line {
  const wide = (column: Float32Array | Float64Array): Float64Array => (column instanceof Float64Array ? column : new Float64Array(column));
  const [raw, x] = [wide(centre.value), wide(place.value)];
  return {
    n: raw.length,
    x,
    origin: 0,
    rising: rises(x),
    step: centre.step,
    wall: centre.wall,
    raw,
    line: centre.line ? wide(centre.line) : raw,
    ...(asked.band !== "none" && { low: wide(low.value), high: wide(high.value) }),
    count: wide(count.value),
    points: centre.total,
  };
}

/** The line of one group: as a whole, and in the part that was in view last. */
class Kept {
  whole: { line: Line; of: string } | null = null;
  detail: { line: Line; of: string; part: Part } | null = null;
  #busy = false;
  /** What the server would not answer: the same is not asked again. */
  #refused = "";
  #at = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The charts that wait for what is on its way: a card and what fills the window may draw the same. */
  #waiting = new Set<() => void>();

  constructor(readonly fetch: typeof fetchSeeds) {}

  /** Sees to it that what is wanted comes; `onData` is called when it is there. */
  want(asked: SeedsAsked, of: string, view: Part | null, onData: () => void): void {
    const next = this.#next(asked, of, view);
    if (!next || this.#refused === of) return;
    this.#waiting.add(onData);
    if (this.#busy) return;
    clearTimeout(this.#timer);
    const wait = this.#at + PAUSE_MS - performance.now();
    // A new question is asked at once; what only grew may wait.
    if (wait > 0 && this.whole && shape(this.whole.of) === shape(of) && !next.part) {
      this.#timer = setTimeout(() => this.#tell(), wait);
      return;
    }
    this.#busy = true;
    void this.#ask(asked, of, next.part).finally(() => {
      this.#busy = false;
      this.#tell();
    });
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const onData of waiting) onData();
  }

  #next(asked: SeedsAsked, of: string, view: Part | null): { part: Part | null } | null {
    if (this.whole?.of !== of) return { part: null };
    if (!view || this.whole.line.n >= (this.whole.line.points ?? 0)) return null;
    const ends = endsOf(this.whole.line);
    if (!coarser(ends, COUNT, view, COUNT, asked.log)) return null;
    const { detail } = this;
    if (detail?.of === of && detail.part.lo <= view.lo && detail.part.hi >= view.hi && !coarser(detail.part, COUNT, view, COUNT / 2, asked.log)) return null;
    return { part: widened(view, asked.log) };
  }

  async #ask(asked: SeedsAsked, of: string, part: Part | null): Promise<void> {
    const { log, smooth, band, ...rest } = asked;
    const buckets = { count: part ? 2 * COUNT : COUNT, ...(log && { log }), ...part };
    const wanted: SeedsWanted = { ...rest, band: band === "none" ? "minmax" : band, buckets, ...(smooth && { smooth }) };
    try {
      const tails = await this.fetch([wanted]);
      if (tails.length !== COLUMNS) return;
      const line = lineOf(tails, asked);
      if (part) this.detail = { line, of, part };
      else this.whole = { line, of };
    } catch {
      // What the page works out from its own points is shown in its place.
      this.#refused = of;
      if (!part) this.whole = null;
    }
    this.#at = performance.now();
  }
}

function shape(of: string): string {
  return of.slice(0, of.indexOf("\n"));
}

function endsOf({ x, n }: Line): Part {
  let lo = Infinity;
  let hi = -Infinity;
  for (let i = 0; i < n; i++) {
    if (x[i] < lo) lo = x[i];
    if (x[i] > hi) hi = x[i];
  }
  return { lo, hi };
}

/** Lines of groups as the server works them out. */
export class ExactSeeds {
  #kept = new Map<string, Kept>();

  constructor(readonly fetch: typeof fetchSeeds = fetchSeeds) {}

  /**
   * The line of a group, and of what is in view the detail; null until the server has answered.
   *
   * @param grown tells whether any of its runs has more than before.
   */
  of(asked: SeedsAsked, grown: string, view: Part | null, onData: () => void): { line: Line; whole: Line } | null {
    const key = JSON.stringify([asked.tag, asked.runs]);
    const said = JSON.stringify(asked);
    let kept = this.#kept.get(key);
    if (!kept) this.#kept.set(key, (kept = new Kept(this.fetch)));
    const of = `${said}\n${grown}`;
    kept.want(asked, of, view, onData);
    const { whole, detail } = kept;
    if (!whole || shape(whole.of) !== said) return null;
    const near = view && detail && shape(detail.of) === said && detail.part.lo <= view.lo && detail.part.hi >= view.hi;
    return { line: near ? detail.line : whole.line, whole: whole.line };
  }
}
