import type { Source } from "./live";
import type { Ask, Tell } from "./posts";
import { Subscription } from "./subscription";

/** The worker of this page could not be started: the tabs then elect one of them. */
let workless = typeof SharedWorker !== "function";

/**
 * Opens the news of the server: one stream for all tabs of a browser, which allows six connections a host.
 * A worker that the tabs share holds it; where there are none, one of the tabs does; where tabs cannot agree on one,
 * each has its own.
 */
export async function openNews(path: string, since: number): Promise<Source> {
  const url = new URL(path, document.baseURI).href;
  if (!workless) {
    try {
      return new WorkerNews(url, since);
    } catch {
      workless = true; // forbidden, as it may be in a frame
    }
  }
  // Without locks (they need HTTPS or localhost) nobody would notice when the tab that holds the stream goes.
  if (typeof BroadcastChannel === "function" && "locks" in navigator) {
    const { ElectedNews } = await import("./elected");
    return new ElectedNews(url, since);
  }
  return new EventSource(`${url}?since=${since}`);
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

  protected override deaf(): void {
    workless = true;
  }
}
