import { rounded, USUAL, type Pose } from "./camera";
import { linked, pose } from "./settings";

/** After this time without a move the address is told. */
const REST_MS = 250;

/** Where one looks from, as it is dragged; the address hears of the shared one when it comes to rest. */
export class Eye {
  #pose = $state.raw<Pose>(USUAL);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly shared = false) {}

  get pose(): Pose {
    return this.#pose;
  }

  /** What the address says, unless one is just moving. */
  follow(pose: Pose): void {
    if (this.#timer === undefined) this.#pose = pose;
  }

  move(to: Pose): void {
    this.#pose = to;
    if (!this.shared) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      pose.value = rounded(this.#pose);
    }, REST_MS);
  }
}

export const everybodys = new Eye(true);

/** Everybody's, or a card's own. */
export function eyeOf(own: Eye): Eye {
  return linked.value ? everybodys : own;
}
