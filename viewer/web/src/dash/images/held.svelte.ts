import { untrack } from "svelte";
import { addressOf, NoPicture, type Picture, type Pictures, type Place } from "./pictures";

export interface Problem {
  text: string;
  /** Whether it is only large, and may be had by insisting. */
  possible: boolean;
  /** Whether asking once more may help. */
  again: boolean;
}

/** The picture of a place that may change, held while it is the one; what was shown stays until the next is there. */
export class Held {
  picture = $state.raw<Picture | null>(null);
  problem = $state.raw<Problem | null>(null);
  #place: () => Place | null;
  #large = $state(false);
  #tries = $state(0);

  /** To be made while a component is: it lets go with it. */
  constructor(pictures: Pictures, place: () => Place | null, tell: { count?: (count: number) => void; show?: (picture: Picture | null) => void } = {}) {
    this.#place = place;
    const address = $derived.by(() => {
      const asked = place();
      return asked && addressOf(asked, this.#large);
    });
    $effect(() => {
      void this.#tries;
      const asked = address === null ? null : untrack(place);
      if (!asked) {
        this.picture = this.problem = null;
        return;
      }
      const held = pictures.hold(asked, this.#large);
      let live = true;
      const show = (found: Picture): void => {
        if (!live) return;
        [this.picture, this.problem] = [found, null];
        untrack(() => {
          tell.count?.(found.count);
          tell.show?.(found);
        });
      };
      const fail = (error: unknown): void => {
        if (!live) return;
        this.picture = null;
        tell.show?.(null);
        if (error instanceof NoPicture) {
          if (error.count > 0) tell.count?.(error.count);
          this.problem = { text: error.message, possible: error.possible, again: false };
        } else this.problem = { text: "the server did not answer", possible: false, again: true };
      };
      if (held.picture) show(held.picture);
      else held.promise.then(show, fail);
      return () => {
        live = false;
        held.release();
      };
    });
  }

  /** Names the place, for people. */
  get where(): string {
    const place = this.#place();
    return place ? `run ${place.run}, tag ${place.tag}, step ${place.step}${place.n > 0 ? `, picture ${place.n + 1}` : ""}` : "";
  }

  insist(): void {
    this.#large = true;
  }

  retry(): void {
    this.#tries++;
  }

  broke(): void {
    this.problem = { text: "this browser cannot decode it: it is damaged", possible: false, again: false };
  }
}
