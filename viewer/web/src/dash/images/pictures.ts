import { Refused } from "../../data/api";

/** Names one picture for good: together with the step the wall time tells a value from one that took its place. */
export interface Place {
  run: string;
  tag: string;
  step: number;
  wall: number;
  n: number;
}

/** A picture as the server sent it. */
export interface Picture {
  place: Place;
  blob: Blob;
  /** An address of its bytes, good while somebody holds it. */
  url: string;
  width: number;
  height: number;
  /** Pictures that the step has. */
  count: number;
  /** What is wrong with it though it may be shown; empty for nothing. */
  flaw: string;
}

/** Why there is none. */
export class NoPicture extends Refused {
  constructor(
    status: number,
    message: string,
    readonly count: number,
    /** Whether it is only large, and may be had by insisting. */
    readonly possible: boolean,
  ) {
    super(status, message);
  }
}

/** Bytes of pictures that nobody shows any more, kept for when somebody scrolls back. */
const KEPT_BYTES = 96 << 20;

interface Entry {
  key: string;
  users: number;
  stop: AbortController;
  promise: Promise<Picture>;
  picture?: Picture;
}

export function addressOf({ run, tag, step, wall, n }: Place, large = false): string {
  // JSON, because a name may hold what no address can, such as half of a surrogate pair.
  return `./api/picture?of=${encodeURIComponent(JSON.stringify([run, tag, step, wall, n]))}${large ? "&large=1" : ""}`;
}

async function fetched(place: Place, large: boolean, signal: AbortSignal): Promise<Picture> {
  const response = await fetch(addressOf(place, large), { signal });
  const count = Number(response.headers.get("Picture-Count") ?? 0);
  if (!response.ok) {
    const said = (await response.json().catch(() => ({}))) as { error?: string };
    throw new NoPicture(response.status, said.error ?? response.statusText, count, response.headers.get("Picture-Possible") === "1");
  }
  const [width, height] = (response.headers.get("Picture-Size") ?? "0,0").split(",").map(Number);
  const blob = await response.blob();
  const flaw = decodeURIComponent(response.headers.get("Picture-Flaw") ?? "");
  return { place, blob, url: URL.createObjectURL(blob), width, height, count, flaw };
}

/** Pictures that are shown, are on their way, or were shown lately. One that nobody waits for any more is not fetched. */
export class Pictures {
  #entries = new Map<string, Entry>();
  /** Those that nobody holds, the longest unused first. */
  #idle = new Map<string, Entry>();
  #idleBytes = 0;

  constructor(private readonly fetchOne: typeof fetched = fetched) {}

  /** Asks for a picture and holds it until `release` is called, which also stops a fetch that nobody else waits for. */
  hold(place: Place, large = false): { promise: Promise<Picture>; picture: Picture | undefined; release: () => void } {
    const key = addressOf(place, large);
    const entry = this.#entries.get(key) ?? this.#begin(key, place, large);
    entry.users++;
    if (this.#idle.delete(key)) this.#idleBytes -= entry.picture?.blob.size ?? 0;
    let held = true;
    const release = (): void => {
      if (held) this.#leave(entry);
      held = false;
    };
    return { promise: entry.promise, picture: entry.picture, release };
  }

  #begin(key: string, place: Place, large: boolean): Entry {
    const stop = new AbortController();
    const entry: Entry = { key, users: 0, stop, promise: this.fetchOne(place, large, stop.signal) };
    entry.promise.then(
      (picture) => (entry.picture = picture),
      () => this.#forget(entry),
    );
    this.#entries.set(key, entry);
    return entry;
  }

  #leave(entry: Entry): void {
    entry.users--;
    if (entry.users > 0) return;
    if (!entry.picture) {
      entry.stop.abort();
      this.#forget(entry);
      void entry.promise.then(({ url }) => URL.revokeObjectURL(url), () => undefined);
      return;
    }
    if (this.#entries.get(entry.key) !== entry) return;
    this.#idle.set(entry.key, entry);
    this.#idleBytes += entry.picture.blob.size;
    for (const [key, old] of this.#idle) {
      if (this.#idleBytes <= KEPT_BYTES) break;
      this.#idle.delete(key);
      this.#idleBytes -= old.picture?.blob.size ?? 0;
      this.#forget(old);
      if (old.picture) URL.revokeObjectURL(old.picture.url);
    }
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }
}
