import { checked } from "../../../data/api";
import { download } from "../../../ui/download";

export type ViewFormat = "csv" | "parquet";

/** One export at a time; it goes on when the panel is closed. */
class Exporting {
  /** Bytes that came so far; null while nothing is exported. */
  got = $state<number | null>(null);
  problem = $state<string | null>(null);
  #abort: AbortController | null = null;

  async start(format: ViewFormat, runs: readonly string[], tags: readonly string[], superseded: boolean): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.problem = null;
    this.got = 0;
    try {
      const response = await checked(
        await fetch("./api/export", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ format, runs, tags, superseded }),
          signal: abort.signal,
        }),
      );
      const name = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
      download(await this.#counted(response).blob(), name ? decodeURIComponent(name) : `scalars.${format}`);
    } catch (error) {
      if (!abort.signal.aborted) this.problem = error instanceof Error ? error.message : String(error);
    }
    if (this.#abort === abort) this.got = null;
  }

  cancel(): void {
    this.#abort?.abort();
    this.got = null;
  }

  #counted(response: Response): Response {
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) => {
        if (this.got !== null) this.got += piece.length;
        controller.enqueue(piece);
      },
    });
    return new Response(response.body?.pipeThrough(count) ?? null);
  }
}

export const exporting = new Exporting();
