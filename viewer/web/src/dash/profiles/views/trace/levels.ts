/** Which of the answers that came to draw a track from, and when another is to be asked for. */
import type { Span } from "./camera";
import type { Level } from "./wire";

/** As many answers are kept, the newest first. */
const KEPT = 8;

export interface Held {
  level: Level;
  /** The grid that was asked for: where that would have been too much, the answer's is coarser. */
  grid: number;
  /** What was searched for when it was asked for. */
  search: string;
}

/** The grid that a window of so many pixels has at best. */
export const idealGrid = (span: Span, pixels: number): number => 2 ** Math.floor(Math.log2(Math.max(span.high - span.low, 1e-3) / Math.max(1, pixels)));

const covers = ({ from, to }: Level, { low, high }: Span): boolean => from <= low && to >= high;

export class Levels {
  #held: readonly Held[] = [];
  #whole: Span;

  constructor(whole: Span) {
    this.#whole = whole;
  }

  get all(): readonly Held[] {
    return this.#held;
  }

  /** The part of a window that has anything to show. */
  #seen({ low, high }: Span): Span {
    return { low: Math.max(low, this.#whole.low), high: Math.min(high, this.#whole.high) };
  }

  add(one: Held): void {
    const { level } = one;
    const rest = this.#held.filter((held) => held.grid !== one.grid || !covers(level, { low: held.level.from, high: held.level.to }) || !sameTracks(held.level, level));
    // The widest stays: with it there is always something to draw.
    const widest = rest.reduce<Held | null>((best, next) => (!best || next.level.to - next.level.from > best.level.to - best.level.from ? next : best), null);
    const kept = [one, ...rest].slice(0, KEPT);
    if (widest && !kept.includes(widest)) kept[KEPT - 1] = widest;
    this.#held = kept;
  }

  clear(): void {
    this.#held = [];
  }

  /** The best there is for a track in a window: one that covers it, and is about as fine as the screen. */
  best(track: number, span: Span, pixels: number, search: string): Level | null {
    const seen = this.#seen(span);
    const ideal = Math.log2(idealGrid(span, pixels));
    let found: Level | null = null;
    let least = Infinity;
    for (const { level, search: of } of this.#held) {
      if (!level.lanes.has(track)) continue;
      const off = Math.log2(level.grid) - ideal;
      const cost = (covers(level, seen) ? 0 : 1_000) + (of === search ? 0 : 40) + (off < 0 ? -off * 2 : off);
      if (cost < least) [found, least] = [level, cost];
    }
    return found;
  }

  /** Whether what is held does for a window: covered, of these tracks, this search, and as fine as it can be. */
  enough(tracks: readonly number[], span: Span, pixels: number, search: string): boolean {
    const seen = this.#seen(span);
    const ideal = idealGrid(span, pixels);
    return tracks.every((track) =>
      this.#held.some(({ level, grid, search: of }) => of === search && level.lanes.has(track) && covers(level, seen) && (grid <= ideal || level.blocks.n === 0)),
    );
  }
}

const sameTracks = (one: Level, other: Level): boolean => one.lanes.size === other.lanes.size && [...one.lanes.keys()].every((track) => other.lanes.has(track));
