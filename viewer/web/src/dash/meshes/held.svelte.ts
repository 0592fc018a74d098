import { untrack } from "svelte";
import { Refused } from "../../data/api";
import { addressOf, fetchMesh, type Mesh, type Place } from "./wire";

/** Bytes of meshes that nobody shows any more, kept for when somebody goes back a step. */
const KEPT_BYTES = 192 << 20;

interface Entry {
  key: string;
  users: number;
  stop: AbortController;
  promise: Promise<Mesh>;
  mesh?: Mesh;
}

/** Meshes that are shown, are on their way, or were shown lately. One that nobody waits for any more is not fetched. */
export class Meshes {
  #entries = new Map<string, Entry>();
  /** Those that nobody holds, the longest unused first. */
  #idle = new Map<string, Entry>();
  #idleBytes = 0;

  constructor(
    private readonly fetchOne: typeof fetchMesh = fetchMesh,
    private readonly kept = KEPT_BYTES,
  ) {}

  /** Asks for a mesh and holds it until `release` is called, which also stops a fetch that nobody else waits for. */
  hold(place: Place): { promise: Promise<Mesh>; mesh: Mesh | undefined; release: () => void } {
    const key = addressOf(place);
    const entry = this.#entries.get(key) ?? this.#begin(key, place);
    entry.users++;
    if (this.#idle.delete(key)) this.#idleBytes -= entry.mesh?.bytes ?? 0;
    let held = true;
    const release = (): void => {
      if (held) this.#leave(entry);
      held = false;
    };
    return { promise: entry.promise, mesh: entry.mesh, release };
  }

  #begin(key: string, place: Place): Entry {
    const stop = new AbortController();
    const entry: Entry = { key, users: 0, stop, promise: this.fetchOne(place, stop.signal) };
    entry.promise.then(
      (mesh) => (entry.mesh = mesh),
      () => this.#forget(entry),
    );
    this.#entries.set(key, entry);
    return entry;
  }

  #leave(entry: Entry): void {
    entry.users--;
    if (entry.users > 0) return;
    if (!entry.mesh) {
      entry.stop.abort();
      this.#forget(entry);
      return;
    }
    this.#idle.set(entry.key, entry);
    this.#idleBytes += entry.mesh.bytes;
    for (const [key, old] of this.#idle) {
      if (this.#idleBytes <= this.kept) break;
      this.#idle.delete(key);
      this.#idleBytes -= old.mesh?.bytes ?? 0;
      this.#forget(old);
    }
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }
}

/** The mesh of a place that may change, held while it is the one; what was shown stays until the next is there. */
export class Held {
  mesh = $state.raw<Mesh | null>(null);
  /** Whose mesh that is: of a step before, while the next is on its way. */
  place = $state.raw<Place | null>(null);
  problem = $state.raw<{ text: string; again: boolean } | null>(null);
  #tries = $state(0);

  /** To be made while a component is: it lets go with it. */
  constructor(meshes: Meshes, place: () => Place | null) {
    const address = $derived.by(() => {
      const asked = place();
      return asked && addressOf(asked);
    });
    $effect(() => {
      void this.#tries;
      const asked = address === null ? null : untrack(place);
      if (!asked) {
        this.mesh = this.place = this.problem = null;
        return;
      }
      const held = meshes.hold(asked);
      let live = true;
      const show = (mesh: Mesh): void => {
        if (live) [this.mesh, this.place, this.problem] = [mesh, asked, null];
      };
      const fail = (error: unknown): void => {
        if (!live) return;
        [this.mesh, this.place] = [null, asked];
        this.problem = error instanceof Refused ? { text: error.message, again: false } : { text: "The server did not answer.", again: true };
      };
      if (held.mesh) show(held.mesh);
      else held.promise.then(show, fail);
      return () => {
        live = false;
        held.release();
      };
    });
  }

  retry(): void {
    this.#tries++;
  }
}
