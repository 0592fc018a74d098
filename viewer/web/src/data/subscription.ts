import type { Source } from "./live";
import { ROUND_MS, SILENT_ROUNDS, type Ask, type Tell } from "./posts";

/** A connection to a newsroom: turns what is told into events, and silence into an error. */
export abstract class Subscription implements Source {
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
