import type { Sidecar } from "../data/sidecar.svelte";
import type { SavedView } from "../data/sidecar";

/** The view of this name is what the page opens with, unless its address says something else. */
export const FIRST = "default";
export const MOST_NAME = 100;

type Kept = Record<string, SavedView>;

/** Addresses kept under names: with the runs, for everybody, or in this browser where nothing can be kept there. */
export class Views {
  #sidecar: Sidecar;
  #logdir: () => string;
  #restore: (hash: string) => void;
  // Read when it is first asked for, which may be while something is drawn: only a change is a change of state.
  #local: Kept = {};
  #read = "";
  #changes = $state(0);

  constructor(sidecar: Sidecar, logdir: () => string, restore: (hash: string) => void) {
    this.#sidecar = sidecar;
    this.#logdir = logdir;
    this.#restore = restore;
  }

  /** Whether they are kept for everybody who opens the logdir. */
  get shared(): boolean {
    return this.#sidecar.writable;
  }

  get list(): { name: string; hash: string; saved: number }[] {
    const all = { ...this.#sidecar.sections.views, ...(this.shared ? {} : this.#locals()) };
    return Object.entries(all)
      .map(([name, view]) => ({ name, ...view }))
      .sort((a, b) => Number(b.name === FIRST) - Number(a.name === FIRST) || a.name.localeCompare(b.name));
  }

  find(name: string): SavedView | undefined {
    return this.list.find((view) => view.name === name);
  }

  apply(name: string): void {
    const found = this.find(name);
    if (found) this.#restore(found.hash);
  }

  async save(name: string, hash: string): Promise<boolean> {
    return this.#patch({ [name]: { hash, saved: Math.round(Date.now() / 1000) } });
  }

  async rename(name: string, to: string): Promise<boolean> {
    const found = this.find(name);
    if (!found || name === to) return false;
    return this.#patch({ [to]: { hash: found.hash, saved: found.saved }, [name]: null });
  }

  async remove(name: string): Promise<boolean> {
    return this.#patch({ [name]: null });
  }

  async #patch(views: Record<string, SavedView | null>): Promise<boolean> {
    if (this.shared) return this.#sidecar.patch({ views });
    const kept = new Map(Object.entries(this.#locals()));
    for (const [name, view] of Object.entries(views)) {
      if (view) kept.set(name, view);
      else kept.delete(name);
    }
    this.#local = Object.fromEntries(kept);
    this.#changes++;
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#local));
      return true;
    } catch {
      return false; // storage may be forbidden or full: they last as long as the page
    }
  }

  get #key(): string {
    return `tallyboard.views:${this.#logdir()}`;
  }

  #locals(): Kept {
    void this.#changes;
    if (this.#read !== this.#key) {
      this.#read = this.#key;
      this.#local = stored(this.#key);
    }
    return this.#local;
  }
}

function stored(key: string): Kept {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? "{}");
    const fits = Object.entries(found ?? {}).filter(([, view]) => typeof (view as SavedView | null)?.hash === "string");
    return Object.fromEntries(fits) as Kept;
  } catch {
    return {};
  }
}
