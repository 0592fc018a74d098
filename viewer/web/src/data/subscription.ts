import type { Source } from "./live";
import { ROUND_MS, UNANSWERED, UNANSWERED_AT_FIRST, type Ask, type Tell } from "./posts";

/** A connection to a newsroom: turns what is told into events, and silence into an error. */
export abstract class Subscription implements Source {
  #listeners: [string, (event: MessageEvent<string>) => void][] = [];
  readonly #round: ReturnType<typeof setInterval>;
  #unanswered = 0;
  #heard = false;
  #ended = false;
  // A page that is put aside, for Back to find, hears nothing any more: it has to begin anew.
  readonly #hide = (): void => this.#lost();

  constructor() {
    addEventListener("pagehide", this.#hide);
    // Questions are counted, and not seconds: a computer that slept wakes up with time gone by and nothing wrong.
    this.#round = setInterval(() => this.#ask(), ROUND_MS);
  }

  protected abstract ask(ask: Ask): void;
  protected abstract end(): void;
  /** There was nobody to hear from, ever. */
  protected deaf(): void {}

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.push([type, listener]);
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    removeEventListener("pagehide", this.#hide);
    clearInterval(this.#round);
    this.ask({ ask: "leave" });
    this.end();
  }

  protected hear(tell: Tell): void {
    if (this.#ended) return;
    this.#heard = true;
    this.#unanswered = 0;
    if (tell.tell === "error") this.#lost();
    else if (tell.tell !== "here") this.#say(tell.tell, tell.tell === "change" ? tell.data : "");
  }

  #ask(): void {
    if (this.#unanswered >= (this.#heard ? UNANSWERED : UNANSWERED_AT_FIRST)) {
      if (!this.#heard) this.deaf();
      this.#lost();
      return;
    }
    this.#unanswered++;
    this.ask({ ask: "there?" });
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
