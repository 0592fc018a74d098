import type { Source } from "./live";
import { Newsroom, ROUND_MS, SILENT_ROUNDS, type Ask, type Tell } from "./newsroom";

/** The worker of this page could not be started: the tabs then elect one of them. */
let workless = typeof SharedWorker !== "function";

/**
 * Opens the news of the server: one stream for all tabs of a browser, which allows six connections a host.
 * A worker that the tabs share holds it; where there are none, one of the tabs does; where tabs cannot agree on one,
 * each has its own.
 */
export function openNews(path: string, since: number): Source {
  const url = new URL(path, document.baseURI).href;
  if (!workless) {
    try {
      return new WorkerNews(url, since);
    } catch {
      workless = true; // forbidden, as it may be in a frame
    }
  }
  // Without locks (they need HTTPS or localhost) nobody would notice when the tab that holds the stream goes.
  if (typeof BroadcastChannel === "function" && "locks" in navigator) return new ElectedNews(url, since);
  return new EventSource(`${url}?since=${since}`);
}

/** A connection to a newsroom: turns what is told into events, and silence into an error. */
abstract class Subscription implements Source {
  #listeners: [string, (event: MessageEvent<string>) => void][] = [];
  #silence: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  // A page that is put aside, for Back to find, hears nothing any more: it has to begin anew.
  readonly #hide = (): void => this.#lost();

  constructor() {
    addEventListener("pagehide", this.#hide);
    this.#wait();
  }

  protected abstract ask(ask: Ask): void;
  protected abstract end(): void;

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.push([type, listener]);
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    removeEventListener("pagehide", this.#hide);
    clearTimeout(this.#silence);
    this.ask({ ask: "leave" });
    this.end();
  }

  protected hear(tell: Tell): void {
    if (this.#ended) return;
    this.#wait();
    if (tell.tell === "there?") this.ask({ ask: "here" });
    else if (tell.tell === "error") this.#lost();
    else this.#say(tell.tell, tell.tell === "change" ? tell.data : "");
  }

  #wait(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), ROUND_MS * SILENT_ROUNDS);
  }

  #lost(): void {
    if (this.#ended) return;
    this.close();
    this.#say("error", "");
  }

  #say(type: string, data: string): void {
    const event = new MessageEvent(type, { data });
    for (const [wanted, listener] of this.#listeners) if (wanted === type) listener(event);
  }
}

class WorkerNews extends Subscription {
  readonly #port: MessagePort;

  constructor(url: string, since: number) {
    super();
    const worker = new SharedWorker(new URL("./newsroom.worker.ts", import.meta.url), { type: "module", name: url });
    worker.onerror = () => {
      workless = true;
      this.hear({ tell: "error" });
    };
    this.#port = worker.port;
    this.#port.onmessage = ({ data }: MessageEvent<Tell>) => this.hear(data);
    this.ask({ ask: "follow", url, since });
  }

  protected ask(ask: Ask): void {
    this.#port.postMessage(ask);
  }

  protected end(): void {
    this.#port.close();
  }
}

interface Letter {
  /** The tab that asks or is told; null: all of them. */
  tab: string | null;
  ask?: Ask;
  tell?: Tell;
}

/** The newsroom is in one of the tabs: the one that holds the lock. Others queue for it, and take over when it goes. */
class ElectedNews extends Subscription {
  readonly #tab = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  readonly #wish: Ask;
  readonly #over = new AbortController();
  #newsroom: Newsroom | null = null;
  #release = (): void => undefined;

  constructor(url: string, since: number) {
    super();
    this.#wish = { ask: "follow", url, since };
    this.#channel = new BroadcastChannel(url);
    this.#channel.onmessage = ({ data }: MessageEvent<Letter>) => this.#read(data);
    this.ask(this.#wish);
    const held = navigator.locks.request(url, { signal: this.#over.signal }, () => this.#lead());
    held.catch(() => undefined); // given up in the queue
  }

  protected ask(ask: Ask): void {
    const letter: Letter = { tab: this.#tab, ask };
    if (this.#newsroom) this.#newsroom.hear(this.#tab, ask, (tell) => this.hear(tell));
    else this.#channel.postMessage(letter);
  }

  protected end(): void {
    this.#newsroom?.close();
    this.#over.abort();
    this.#release();
    this.#channel.close();
  }

  #lead(): Promise<void> {
    this.#newsroom = new Newsroom((url) => new EventSource(url));
    this.ask(this.#wish);
    // Those that followed another tab, and those that asked before there was one.
    this.#channel.postMessage({ tab: null, tell: { tell: "error" } } satisfies Letter);
    return new Promise((done) => (this.#release = done));
  }

  #read({ tab, ask, tell }: Letter): void {
    if (ask && tab && this.#newsroom) {
      const post = (told: Tell): void => this.#channel.postMessage({ tab, tell: told } satisfies Letter);
      this.#newsroom.hear(tab, ask, post);
    }
    if (tell && !this.#newsroom && (tab === null || tab === this.#tab)) this.hear(tell);
  }
}
