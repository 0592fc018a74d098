import type { Zoom } from "../../chart/plot";

/** Zooms of cards that scrolled out of sight, each with what it was made under. */
export class Zooms {
  #kept = new Map<string, { zoom: Zoom; under: string }>();

  get(card: string, under: string): Zoom | null {
    const kept = this.#kept.get(card);
    return kept?.under === under ? kept.zoom : null;
  }

  set(card: string, under: string, zoom: Zoom | null): void {
    if (zoom) this.#kept.set(card, { zoom, under });
    else this.#kept.delete(card);
  }
}

export const zooms = new Zooms();
