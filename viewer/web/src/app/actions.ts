/** The order in which the sheet of keys shows them. */
export const GROUPS = ["Go to", "Runs", "Charts", "Page"] as const;
export type Group = (typeof GROUPS)[number];

/** Something a person can ask for: by a key, in the palette, or both. */
export interface Action {
  /** What it does, as the sheet and the palette say it; no two actions say the same. */
  does: string;
  group: Group;
  /**
   * What `KeyboardEvent.key` says; two with a space between them are pressed one after the other ("g s"),
   * and "Mod+k" is Ctrl or, on a Mac, Cmd with k. None: the palette alone offers it.
   */
  keys?: readonly string[];
  run: () => void;
  /** Whether it makes sense now; otherwise its key does nothing and the palette leaves it out. */
  when?: () => boolean;
}

/** What the pointer does, for the sheet to tell. */
export interface Gesture {
  does: string;
  group: Group;
  by: string;
}

/** The one place where keys are given out. */
export class Actions {
  #actions: Action[] = [];
  #gestures: Gesture[] = [];

  /**
   * Adds actions and returns what takes them away again, for components that go.
   * A key that another action holds already stays with that one. The tests hear of it: whatever the page writes to
   * the console as an error fails them.
   */
  register(...added: readonly Action[]): () => void {
    for (const action of added) {
      for (const key of action.keys ?? []) {
        const holder = this.#actions.find((other) => other.keys?.some((held) => clash(held, key)));
        if (holder) console.error(`the key "${key}" of "${action.does}" belongs to "${holder.does}"`);
      }
      this.#actions.push(action);
    }
    return () => {
      this.#actions = this.#actions.filter((action) => !added.includes(action));
    };
  }

  /** Tells the sheet what a gesture does. */
  tell(...gestures: readonly Gesture[]): () => void {
    this.#gestures.push(...gestures);
    return () => {
      this.#gestures = this.#gestures.filter((gesture) => !gestures.includes(gesture));
    };
  }

  get all(): readonly Action[] {
    return this.#actions;
  }

  get gestures(): readonly Gesture[] {
    return this.#gestures;
  }

  /** The action of a key, or "more" when it is the first of two. */
  find(pressed: string): Action | "more" | undefined {
    const action = this.#actions.find(({ keys, when }) => keys?.includes(pressed) && (when?.() ?? true));
    if (action) return action;
    return this.#actions.some(({ keys }) => keys?.some((key) => key.startsWith(`${pressed} `))) ? "more" : undefined;
  }
}

/** Equal, or one begins with the other: "g" would never let "g s" be heard. */
function clash(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other} `) || other.startsWith(`${one} `);
}

/** The page's own. */
export const actions = new Actions();
