import type { Change } from "./live";
import { ROUND_MS, SILENT_ROUNDS, type Ask, type Tell } from "./posts";

export type Post = (tell: Tell) => void;

/** The part of EventSource that is used here. */
export interface Stream {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

/** Changes kept for tabs that join a little behind. */
const KEPT = 64;

interface Tab {
  post: Post;
  since: number;
  silent: number;
}

/** Holds the one stream of news for all tabs that follow: open while there is one, closed when there is none. */
export class Newsroom {
  #tabs = new Map<unknown, Tab>();
  #stream: Stream | null = null;
  #greeted = false;
  /** The stream told all from here on. */
  #from = 0;
  #version = 0;
  #kept: { version: number; data: string }[] = [];
  /** The version of the notes that was told last: it counts for itself, and changes without the store's. */
  #sidecar: number | undefined;
  #round: ReturnType<typeof setInterval> | undefined;

  constructor(readonly open: (url: string) => Stream) {}

  get tabs(): number {
    return this.#tabs.size;
  }

  hear(key: unknown, ask: Ask, post: Post): void {
    if (ask.ask === "follow") this.#join(key, ask, post);
    else if (ask.ask === "leave") this.#leave(key);
    else this.#answer(key, post);
  }

  #answer(key: unknown, post: Post): void {
    const tab = this.#tabs.get(key);
    if (tab) tab.silent = 0;
    // One that was thought to be gone, or followed another newsroom, has to begin anew.
    post({ tell: tab ? "here" : "error" });
  }

  /** Ends everything: who follows is told so, and looks for another newsroom. */
  close(): void {
    this.#lost();
  }

  #join(key: unknown, { url, since }: { url: string; since: number }, post: Post): void {
    const tab = { post, since, silent: 0 };
    this.#tabs.set(key, tab);
    this.#round ??= setInterval(() => this.#count(), ROUND_MS);
    if (!this.#stream) this.#start(url, since);
    if (this.#greeted) this.#welcome(tab);
  }

  #start(url: string, since: number): void {
    const stream = this.open(`${url}?since=${since}`);
    this.#stream = stream;
    this.#from = this.#version = since;
    stream.addEventListener("hello", () => {
      if (this.#stream !== stream) return;
      this.#greeted = true;
      for (const tab of this.#tabs.values()) this.#welcome(tab);
    });
    stream.addEventListener("change", (event) => {
      if (this.#stream === stream) this.#pass(event.data);
    });
    stream.addEventListener("error", () => {
      if (this.#stream === stream) this.#lost();
    });
  }

  /** Tells a tab what was told to others since the version that it knows. */
  #welcome(tab: Tab): void {
    tab.post({ tell: "hello" });
    if (this.#sidecar !== undefined) {
      const notes: Change = { version: tab.since, structure: false, series: [], sidecar: this.#sidecar };
      tab.post({ tell: "change", data: JSON.stringify(notes) });
    }
    if (tab.since >= this.#version) return;
    const anything: Change = { version: this.#version, structure: true, series: null };
    if (tab.since < this.#from) tab.post({ tell: "change", data: JSON.stringify(anything) });
    else for (const { version, data } of this.#kept) if (version > tab.since) tab.post({ tell: "change", data });
  }

  #pass(data: string): void {
    const { version, sidecar } = JSON.parse(data) as Change;
    this.#sidecar = sidecar ?? this.#sidecar;
    this.#kept.push({ version, data });
    this.#version = version;
    if (this.#kept.length > KEPT) this.#from = this.#kept.shift()?.version ?? this.#from;
    for (const tab of this.#tabs.values()) tab.post({ tell: "change", data });
  }

  #count(): void {
    for (const [key, tab] of [...this.#tabs]) if (++tab.silent > SILENT_ROUNDS) this.#leave(key);
  }

  #leave(key: unknown): void {
    if (this.#tabs.delete(key) && this.#tabs.size === 0) this.#stop();
  }

  #lost(): void {
    const tabs = [...this.#tabs.values()];
    this.#tabs.clear();
    this.#stop();
    for (const tab of tabs) tab.post({ tell: "error" });
  }

  #stop(): void {
    this.#stream?.close();
    this.#stream = null;
    this.#greeted = false;
    this.#kept = [];
    this.#sidecar = undefined;
    clearInterval(this.#round);
    this.#round = undefined;
  }
}
