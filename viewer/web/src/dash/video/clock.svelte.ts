import { SvelteSet } from "svelte/reactivity";
import { neighbour, type Frames } from "./frames";
import { looped, rate } from "./settings";

/** A video that runs by a clock. */
export interface Runner {
  frames: Frames;
  /** Whether it has no picture for now yet: the clock waits for it. */
  waits: () => boolean;
}

/** A computer that slept, or a page that was hidden, does not jump ahead. */
const LONGEST_TICK = 0.25;

/** What time it is for the videos that run by it. */
export class Clock {
  /** Seconds from the beginning. */
  time = $state(0);
  playing = $state(false);
  #runners = new SvelteSet<Runner>();
  /** As long as the longest video. */
  readonly length = $derived(Math.max(0, ...[...this.#runners].map(({ frames }) => frames.length)));
  readonly most = $derived(Math.max(0, ...[...this.#runners].map(({ frames }) => frames.count)));
  #request = 0;
  #before = 0;

  /** Has a video run by this clock, until what is returned is called. */
  join(runner: Runner): () => void {
    this.#runners.add(runner);
    return () => {
      this.#runners.delete(runner);
      if (this.#runners.size === 0) this.pause();
    };
  }

  play(): void {
    if (this.playing || this.length === 0) return;
    if (this.time >= this.length) this.time = 0;
    this.playing = true;
    this.#before = performance.now();
    this.#request = requestAnimationFrame(this.#tick);
  }

  pause(): void {
    this.playing = false;
    cancelAnimationFrame(this.#request);
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(to: number): void {
    this.time = Math.min(this.length, Math.max(0, to));
  }

  /** A frame on or back, standing still. */
  step(by: 1 | -1): void {
    this.pause();
    this.seek(neighbour([...this.#runners].map(({ frames }) => frames), this.time, by));
  }

  #tick = (now: number): void => {
    const passed = Math.min(LONGEST_TICK, Math.max(0, (now - this.#before) / 1000)) * rate.value;
    this.#before = now;
    if (![...this.#runners].some((runner) => runner.waits())) {
      const to = this.time + passed;
      if (to < this.length) this.time = to;
      else if (looped.value && this.length > 0) this.time = to % this.length;
      else {
        this.time = this.length;
        this.playing = false;
        return;
      }
    }
    this.#request = requestAnimationFrame(this.#tick);
  };
}

/** The one by which all videos run, where they share one. */
export const shared = new Clock();
