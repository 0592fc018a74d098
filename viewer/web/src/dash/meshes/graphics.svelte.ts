import { SvelteMap } from "svelte/reactivity";
import { union, type Bounds } from "./geometry";
import type { Stage } from "./stage";

/** What all cards are drawn with; its code comes with the first mesh. */
class Graphics {
  stage = $state.raw<Stage | null>(null);
  /** Why nothing can be drawn; empty while all is well. */
  trouble = $state("");
  #asked = false;

  start(): void {
    if (this.#asked) return;
    this.#asked = true;
    void import("./stage").then(
      ({ Stage }) => {
        try {
          this.stage = new Stage((lost) => {
            this.trouble = lost ? "The browser took its 3D graphics away, as it does when memory is short; they are drawn again once it gives them back." : "";
          });
        } catch {
          this.trouble = "This browser has no WebGL, so that meshes cannot be drawn. What they consist of is told below, and they can be saved.";
        }
      },
      () => {
        this.#asked = false;
        this.trouble = "The code that draws meshes could not be fetched; open the page anew.";
      },
    );
  }
}

export const graphics = new Graphics();

/** In what each mesh is drawn, by its name: all that was seen of it so far in any run and step. */
export class Frames {
  readonly #all = new SvelteMap<string, Bounds>();
  /** Goes up when all are to be made anew, of what is shown then. */
  version = $state(0);

  of(name: string): Bounds | null {
    return this.#all.get(name) ?? null;
  }

  note(name: string, bounds: Bounds): void {
    const known = this.#all.get(name) ?? null;
    const both = union(known, bounds) ?? bounds;
    if (!known || JSON.stringify(known) !== JSON.stringify(both)) this.#all.set(name, both);
  }

  fit(): void {
    this.#all.clear();
    this.version++;
  }
}
