import type { Drag } from "./plot";
import { dragBetween } from "./plot";
import type { Scale } from "./scale";

export interface Place {
  x: number;
  y: number;
}

export interface Scales {
  x: Scale;
  y: Scale;
}

/** What a hand may ask of a chart. */
export interface Handled {
  scales: () => Scales | null;
  /** The pointer is somewhere else, or gone. */
  hover: (at: Place | null) => void;
  /** A rectangle is being drawn, or no longer. */
  drag: (drag: Drag | null) => void;
  select: (drag: Drag) => void;
  /** Moves what was seen at the start. */
  pan: (start: Scales, by: Place) => void;
  pinch: (start: Scales, from: readonly [number, number], to: readonly [number, number]) => void;
  click: (at: Place) => void;
}

const CLICK_PX = 4;

type Grip =
  | { kind: "select" | "pan"; id: number; from: Place; start: Scales; moved: boolean }
  | { kind: "pinch"; from: readonly [number, number]; start: Scales };

/** Tells what a pointer, or two fingers, mean: a rectangle, a click, a pan (shift or the middle button), a pinch. */
export class Hand {
  #root: HTMLElement;
  #on: Handled;
  #grip: Grip | null = null;
  #drag: Drag | null = null;
  #fingers = new Map<number, Place>();

  constructor(root: HTMLElement, on: Handled) {
    this.#root = root;
    this.#on = on;
  }

  get dragging(): boolean {
    return this.#drag !== null;
  }

  #at(event: PointerEvent): Place {
    const box = this.#root.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event: PointerEvent): void {
    const start = this.#on.scales();
    if (!start) return;
    const at = this.#at(event);
    if (event.pointerType === "touch") {
      this.#fingers.set(event.pointerId, at);
      if (this.#fingers.size === 2) return this.#pinch(start);
      if (this.#fingers.size > 2) return;
    }
    const pans = event.button === 1 || (event.button === 0 && event.shiftKey);
    if (!pans && event.button !== 0) return;
    // The middle button would begin to scroll by itself.
    if (pans) event.preventDefault();
    this.#grip = { kind: pans ? "pan" : "select", id: event.pointerId, from: at, start, moved: false };
    this.#on.hover(at);
  }

  #pinch(start: Scales): void {
    this.#setDrag(null);
    const [a, b] = [...this.#fingers.values()];
    this.#grip = { kind: "pinch", from: [a.x, b.x], start };
    this.#on.hover(null);
  }

  move(event: PointerEvent): void {
    const at = this.#at(event);
    if (this.#fingers.has(event.pointerId)) this.#fingers.set(event.pointerId, at);
    const grip = this.#grip;
    if (grip?.kind === "pinch") {
      const [a, b] = [...this.#fingers.values()];
      if (b) this.#on.pinch(grip.start, grip.from, [a.x, b.x]);
      return;
    }
    this.#on.hover(at);
    if (!grip || grip.id !== event.pointerId) return;
    const far = Math.hypot(at.x - grip.from.x, at.y - grip.from.y) >= CLICK_PX;
    // Captured only now: a captured pointer would send a mere click's events elsewhere.
    if (far && !grip.moved) this.#root.setPointerCapture(event.pointerId);
    grip.moved ||= far;
    if (grip.kind === "pan") this.#on.pan(grip.start, { x: at.x - grip.from.x, y: at.y - grip.from.y });
    else {
      const scales = this.#on.scales();
      this.#setDrag(scales ? dragBetween(grip.from, at, scales) : null);
    }
  }

  up(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId);
    const grip = this.#grip;
    const drag = this.#drag;
    this.letGo();
    if (grip?.kind !== "select" || grip.id !== event.pointerId) return;
    if (drag) this.#on.select(drag);
    else if (!grip.moved) this.#on.click(this.#at(event));
  }

  cancel(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId);
    this.letGo();
  }

  letGo(): void {
    this.#grip = null;
    this.#setDrag(null);
  }

  #setDrag(drag: Drag | null): void {
    if (drag === this.#drag) return;
    this.#drag = drag;
    this.#on.drag(drag);
  }
}
