/** What keys do in the trace view. Letters count where nothing is typed into. */
import type { Gesture } from "../../../../app/actions";
import type { Desk } from "./desk.svelte";
import { zoomed } from "./camera";
import * as settings from "./settings";

export const TOLD: readonly Gesture[] = [
  { does: "Trace: zoom in and out at the pointer", group: "Charts", by: "W and S, Ctrl wheel, two fingers" },
  { does: "Trace: move in time", group: "Charts", by: "A and D, drag, Shift wheel" },
  { does: "Trace: add up a part", group: "Charts", by: "Shift drag, or drag the ruler" },
  { does: "Trace: zoom to the event or the selection", group: "Charts", by: "f" },
  { does: "Trace: what holds the event, and what it launched", group: "Charts", by: "arrow up and down" },
  { does: "Trace: from the forward pass to its backward pass, and back", group: "Charts", by: "b" },
  { does: "Trace: events before and after it", group: "Charts", by: "arrow left and right" },
  { does: "Trace: step before and after", group: "Charts", by: ", and ." },
  { does: "Trace: find, next match, match before", group: "Charts", by: "/, n, N" },
  { does: "Trace: add up the event's time", group: "Charts", by: "m" },
  { does: "Trace: look at nothing, select nothing", group: "Charts", by: "Esc" },
];

/** Each frame the window moves or zooms as long as a key is held. */
const MOVES: Readonly<Record<string, readonly [pan: number, zoom: number]>> = { a: [-1, 0], d: [1, 0], w: [0, -1], s: [0, 1] };
const PAN_A_SECOND = 0.9;
const ZOOM_A_SECOND = 2.6;
/** What one press does at least. */
const PRESS = 0.09;

export class Keys {
  readonly #desk: Desk;
  readonly #at: () => number;
  readonly #held = new Set<string>();
  #frame = 0;
  #last = 0;

  /** `at`: the share of the window that is zoomed about. */
  constructor(desk: Desk, at: () => number) {
    this.#desk = desk;
    this.#at = at;
  }

  /** Whether the key was one of ours. */
  press(event: KeyboardEvent, search: () => void): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const desk = this.#desk;
    const key = event.key.length === 1 && event.key !== "N" ? event.key.toLowerCase() : event.key;
    if (Object.hasOwn(MOVES, key)) {
      if (!event.repeat) this.#begin(key);
      return true;
    }
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const by = key === "ArrowLeft" ? -1 : 1;
      if (desk.told && !event.shiftKey) desk.beside(by);
      else desk.pan(by * 0.15);
    } else if (key === "ArrowUp" && desk.told) desk.climb(-1);
    else if (key === "ArrowDown" && desk.told) desk.climb(1);
    else if (key === "b" && desk.told) desk.across();
    else if (key === "f") desk.focus();
    else if (key === ",") desk.step(-1);
    else if (key === ".") desk.step(1);
    else if (key === "/") search();
    else if (key === "n" && settings.query.value) void desk.find(1);
    else if (key === "N" && settings.query.value) void desk.find(-1);
    else if (key === "m" && desk.told) settings.selection.value = { low: desk.told.start, high: Math.max(desk.told.end, desk.told.start + 1), tracks: [] };
    else if (key === "Escape" && (settings.event.value !== null || settings.selection.value)) {
      if (settings.event.value !== null) desk.look(null);
      else settings.selection.value = null;
    } else return false;
    return true;
  }

  release(event: KeyboardEvent): void {
    if (this.#held.delete(event.key.toLowerCase()) && this.#held.size === 0) this.#end();
  }

  #begin(key: string): void {
    this.#held.add(key);
    this.#move(key, PRESS);
    if (this.#frame) return;
    this.#last = performance.now();
    const step = (now: number): void => {
      const seconds = Math.min(0.1, Math.max(0, now - this.#last) / 1_000);
      this.#last = now;
      for (const one of this.#held) this.#move(one, seconds);
      this.#frame = this.#held.size > 0 ? requestAnimationFrame(step) : 0;
    };
    this.#frame = requestAnimationFrame(step);
  }

  #move(key: string, seconds: number): void {
    const desk = this.#desk;
    const [pan, zoom] = MOVES[key];
    if (pan) desk.pan(pan * PAN_A_SECOND * seconds);
    else desk.show(zoomed(desk.span, Math.exp(zoom * ZOOM_A_SECOND * seconds), this.#at(), desk.whole));
  }

  #end(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  end(): void {
    this.#held.clear();
    this.#end();
  }
}
