/** Changes of the address that are made within this time become one. */
const SAVE_MS = 150;
/** What is typed or dragged goes on with the entry before when it comes within this time. */
const STROKE_MS = 2_000;
/** Browsers refuse more than a hundred address changes in half a minute: some stay for what the person does next. */
const MOST_CHANGES = 80;
const WINDOW_MS = 30_000;
/** A person's doing: without it a change of the address is the page's own, and nothing to go back to. */
const DEEDS = ["pointerdown", "pointerup", "keydown", "input", "change", "wheel", "drop"] as const;
/** The second press of a double click comes within this time, and within so many pixels of the first. */
const TWICE_MS = 500;
const TWICE_PX = 6;

/** What the trail needs of a browser. */
export interface Place {
  readonly hash: string;
  push(hash: string): void;
  replace(hash: string): void;
}

export const browser: Place = {
  get hash() {
    return location.hash.slice(1);
  },
  push: (hash) => history.pushState(null, "", address(hash)),
  replace: (hash) => history.replaceState(null, "", address(hash)),
};

function address(hash: string): string {
  return hash ? `#${hash}` : location.pathname + location.search;
}

/** The keys whose values differ between two addresses, whatever the order they stand in. */
export function changedKeys(before: string, after: string): Set<string> {
  const [one, other] = [new URLSearchParams(before), new URLSearchParams(after)];
  const keys = new Set([...one.keys(), ...other.keys()]);
  const said = (params: URLSearchParams, key: string): string => params.getAll(key).sort().join("\n");
  return new Set([...keys].filter((key) => said(one, key) !== said(other, key)));
}

/**
 * Writes the address, so that Back undoes what a person did: each deed is an entry of the browser's history, but what
 * is typed or dragged becomes one.
 */
export class Trail {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saved: string;
  #wanted: string;
  #changes: number[] = [];
  /** A person did something since the last save, and how. */
  #deed: "none" | "step" | "stroke" = "none";
  #pressed: PointerEvent | null = null;
  #stroke: { keys: Set<string>; at: number } | null = null;

  constructor(
    readonly place: Place,
    readonly restore: (hash: string) => void,
  ) {
    this.#saved = this.#wanted = place.hash;
  }

  /** Listens to what the person does, and to Back and Forward. */
  start(target: Window = window): () => void {
    const deed = (event: Event): void => {
      if (event.type === "pointerdown") this.#press(event as PointerEvent);
      // Holding a key, typing and dragging a slider are strokes; all else is a step.
      const stroke = isStroke(event);
      if (stroke || this.#deed !== "stroke") this.#deed = stroke ? "stroke" : "step";
    };
    const back = (): void => {
      clearTimeout(this.#timer);
      this.#saved = this.#wanted = this.place.hash;
      this.#stroke = null;
      this.#deed = "none";
      this.restore(this.place.hash);
    };
    for (const name of DEEDS) target.addEventListener(name, deed, { capture: true, passive: true });
    target.addEventListener("popstate", back);
    return () => {
      for (const name of DEEDS) target.removeEventListener(name, deed, { capture: true });
      target.removeEventListener("popstate", back);
      clearTimeout(this.#timer);
    };
  }

  /** The address as it should be now; it is written a moment later. */
  note(hash: string): void {
    this.#wanted = hash;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_MS);
  }

  /** What was done before the pointer went down is an entry of its own, however soon this follows; a double click is one. */
  #press(event: PointerEvent): void {
    const before = this.#pressed;
    const twice =
      before !== null &&
      event.timeStamp - before.timeStamp < TWICE_MS &&
      Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) < TWICE_PX;
    this.#pressed = event;
    if (twice || this.#wanted === this.#saved) return;
    clearTimeout(this.#timer);
    this.#save();
  }

  #save(): void {
    const now = performance.now();
    this.#changes = this.#changes.filter((at) => now - at < WINDOW_MS);
    if (this.#changes.length >= MOST_CHANGES) {
      this.#timer = setTimeout(() => this.#save(), WINDOW_MS - (now - this.#changes[0]));
      return;
    }
    const hash = this.#wanted;
    if (hash === this.#saved) return;
    const keys = changedKeys(this.#saved, hash);
    const onward = this.#goesOn(keys, now);
    const step = keys.size > 0 && this.#deed !== "none" && !onward;
    this.#stroke = keys.size > 0 && this.#deed === "stroke" ? { keys, at: now } : keys.size > 0 ? null : this.#stroke;
    this.#deed = "none";
    this.#saved = hash;
    this.#changes.push(now);
    if (step) this.place.push(hash);
    else this.place.replace(hash);
  }

  /** Whether this is more of what made the last entry. */
  #goesOn(keys: Set<string>, now: number): boolean {
    const before = this.#stroke;
    if (!before || this.#deed !== "stroke" || now - before.at > STROKE_MS) return false;
    return keys.size === before.keys.size && [...keys].every((key) => before.keys.has(key));
  }
}

function isStroke(event: Event): boolean {
  if (event instanceof KeyboardEvent) return event.repeat || event.key === "[" || event.key === "]";
  if (event.type === "wheel") return true;
  if (event.type !== "input") return false;
  const { target } = event;
  return target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && !/checkbox|radio|color/.test(target.type));
}
