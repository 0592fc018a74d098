export type Link = "connecting" | "connected" | "reconnecting" | "offline";

export interface Change {
  version: number;
  structure: boolean;
  /** Null: too much or too old to list, so anything may have changed. */
  series: [run: string, tag: string, total: number, generation?: number][] | null;
  /** Whether series of other plugins than scalars changed; they may have, too, where `series` is null. */
  others?: boolean;
  /** The version that notes have now, where it may be news. */
  sidecar?: number;
}

/** The part of EventSource that is used here. */
export interface Source {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface LiveOptions {
  /** Brings everything up to date and says from which version to follow. */
  begin: () => Promise<number>;
  open: (since: number) => Source | Promise<Source>;
  onChange: (change: Change) => void;
  onLink: (link: Link) => void;
}

const DELAYS_MS = [200, 500, 1_000, 2_000];
/** After so many failures in a row the server is called gone and no longer just away. */
const GONE_AFTER = 3;
/** A browser allows six connections a host over HTTP/1.1: hidden tabs must not hold them. */
const REST_HIDDEN_AFTER_MS = 5_000;

/**
 * Follows the server's news. EventSource would reconnect by itself, but it gives up on some
 * answers, hides its delays, and a server that came back may be another one: so each
 * connection starts from a fresh index, and ours is the only backoff.
 */
export class Live {
  #options: LiveOptions;
  #source: Source | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #attempt = 0;
  #resting = false;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  start(): void {
    document.addEventListener("visibilitychange", () => this.#visibility());
    addEventListener("online", () => this.now());
    this.#options.onLink("connecting");
    void this.#connect();
  }

  /** Tries at once, without waiting for the backoff to run out. */
  now(): void {
    if (this.#source) return;
    clearTimeout(this.#timer);
    void this.#connect();
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    try {
      const since = await this.#options.begin();
      if (attempt !== this.#attempt || this.#resting) return;
      const source = await this.#options.open(since);
      if (attempt === this.#attempt && !this.#resting) this.#follow(source, attempt);
      else source.close();
    } catch {
      if (attempt === this.#attempt) this.#lost();
    }
  }

  #follow(source: Source, attempt: number): void {
    this.#source = source;
    source.addEventListener("hello", () => {
      this.#failures = 0;
      this.#options.onLink("connected");
    });
    source.addEventListener("change", (event) => this.#options.onChange(JSON.parse(event.data) as Change));
    source.addEventListener("error", () => {
      if (attempt === this.#attempt) this.#lost();
    });
  }

  #close(): void {
    this.#attempt++;
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
  }

  #lost(): void {
    this.#close();
    const delay = DELAYS_MS[Math.min(this.#failures, DELAYS_MS.length - 1)];
    this.#failures++;
    this.#options.onLink(this.#failures >= GONE_AFTER ? "offline" : "reconnecting");
    this.#timer = setTimeout(() => void this.#connect(), delay);
  }

  #visibility(): void {
    clearTimeout(this.#rest);
    if (document.hidden) {
      this.#rest = setTimeout(() => {
        this.#resting = true;
        this.#close();
      }, REST_HIDDEN_AFTER_MS);
    } else if (this.#resting) {
      this.#resting = false;
      void this.#connect();
    }
  }
}
