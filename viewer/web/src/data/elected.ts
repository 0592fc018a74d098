import { Newsroom } from "./newsroom";
import type { Ask, Tell } from "./posts";
import { Subscription } from "./subscription";

interface Letter {
  /** The tab that asks or is told; null: all of them. */
  tab: string | null;
  ask?: Ask;
  tell?: Tell;
}

/** The newsroom is in one of the tabs: the one that holds the lock. Others queue for it, and take over when it goes. */
export class ElectedNews extends Subscription {
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
