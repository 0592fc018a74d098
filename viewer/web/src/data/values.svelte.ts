import { untrack } from "svelte";
import { checked } from "./api";
import type { Board } from "./board.svelte";
import { Paced } from "./paced";

/** The steps and wall times, in seconds, of a series whose values stay on the server's disk. */
export interface Times {
  step: readonly number[];
  wall: readonly number[];
  /** Goes up when values that were there are not any more. */
  generation: number;
}

/** A series of a plugin, and how much of it is known: from which of its values on it is asked for. */
export interface Ask {
  run: string;
  tag: string;
  since: number;
  generation: number;
  /** The time of the last value that is known, 0 for none. */
  wall: number;
}

/** What came: all values from `since` on; 0 where what was known is not so any more. */
export interface Tail extends Times {
  since: number;
}

const NONE: Times = { step: [], wall: [], generation: 0 };
/** Least time between two requests. */
const PAUSE_MS = 250;
/** Most series in one request. */
const MOST = 1_000;

/** Asks for the steps and wall times of a plugin's series; one that is not there has none. */
export async function fetchTails(plugin: string, series: readonly Ask[], superseded: boolean): Promise<Tail[]> {
  const response = await fetch("./api/values", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ plugin, series, superseded }),
  });
  return ((await (await checked(response)).json()) as { series: Tail[] }).series;
}

/** Where the n-th blob of a value is (of a picture's or a sound's several), for `src` and `fetch`; it never changes. */
export function blobUrl(plugin: string, run: string, tag: string, step: number, wall: number, n = 0): string {
  // JSON, because a name may hold what no address can, such as half of a surrogate pair
  return `./api/blob?of=${encodeURIComponent(JSON.stringify([plugin, run, tag, step, wall, n]))}`;
}

/**
 * Which values there are of a plugin's series, kept up to date for those that were wanted last. The values themselves
 * are fetched by whoever shows them.
 */
export class Values {
  readonly #board: Board;
  readonly #fetch: typeof fetchTails;
  readonly #paced = new Paced(() => this.#bring(), PAUSE_MS);
  #wanted: readonly { run: string; tag: string }[] = [];
  #everything = false;
  #held = $state.raw<ReadonlyMap<string, Times>>(new Map());

  constructor(
    board: Board,
    readonly plugin: string,
    fetch = fetchTails,
  ) {
    this.#board = board;
    this.#fetch = fetch;
  }

  /** What is known of a series by now. */
  of(run: string, tag: string): Times {
    return this.#held.get(keyOf(run, tag)) ?? NONE;
  }

  /** Whether anything was heard of a series yet. */
  known(run: string, tag: string): boolean {
    return this.#held.has(keyOf(run, tag));
  }

  /** Wants these series from now on, and no others. To be called in an effect: it runs again when there is news. */
  want(series: readonly { run: string; tag: string }[]): void {
    void this.#board.others;
    if (this.#everything !== this.#board.everything) {
      this.#everything = this.#board.everything;
      this.#held = new Map();
    }
    this.#wanted = series;
    if (series.length > 0) this.#paced.ask(untrack(() => series.some(({ run, tag }) => !this.known(run, tag))));
  }

  async #bring(): Promise<void> {
    const everything = this.#everything;
    for (let at = 0; at < this.#wanted.length; at += MOST) {
      const asks = this.#wanted.slice(at, at + MOST).map(({ run, tag }) => {
        const { wall, generation } = this.of(run, tag);
        return { run, tag, since: wall.length, generation, wall: wall.at(-1) ?? 0 };
      });
      const tails = await this.#fetch(this.plugin, asks, everything);
      if (everything !== this.#everything) return this.#paced.ask();
      this.#take(asks, tails);
    }
  }

  #take(asks: readonly Ask[], tails: readonly Tail[]): void {
    const held = new Map(this.#held);
    let changed = false;
    asks.forEach(({ run, tag }, i) => {
      const { since, step, wall, generation } = tails[i];
      const known = held.get(keyOf(run, tag));
      if (known && since === known.step.length && step.length === 0 && generation === known.generation) return;
      const before = since > 0 && known ? known : NONE;
      held.set(keyOf(run, tag), { step: [...before.step.slice(0, since), ...step], wall: [...before.wall.slice(0, since), ...wall], generation });
      changed = true;
    });
    if (changed) this.#held = held;
  }
}

function keyOf(run: string, tag: string): string {
  return `${run}\0${tag}`;
}
