/** Projections that take a while: they tell how far they are, and can be stopped. */
import { fetchTsne, startTsne, stopTsne, type TsneWish } from "./fetch";
import type { Progress, Task } from "./umap.worker";

export interface Step {
  /** Three numbers a row. */
  coordinates: Float32Array | null;
  /** 0 to 1; null where nobody knows. */
  done: number | null;
  /** What is being done. */
  what: string;
}

export interface Job {
  stop: () => void;
}

/** Starts UMAP in a worker of its own. `tell` hears of each step, `end` once, with what went wrong if anything did. */
export function startUmap(task: Task, tell: (step: Step) => void, end: (problem: string | null) => void): Job {
  const worker = new Worker(new URL("./umap.worker.ts", import.meta.url), { type: "module" });
  const stop = (): void => worker.terminate();
  tell({ coordinates: null, done: null, what: "finding neighbours" });
  worker.onmessage = ({ data }: MessageEvent<Progress>): void => {
    tell({ coordinates: data.coordinates, done: data.epoch / data.epochs, what: `epoch ${data.epoch.toLocaleString("en")} of ${data.epochs.toLocaleString("en")}` });
    if (data.epoch < data.epochs) return;
    stop();
    end(null);
  };
  worker.onerror = (event): void => {
    event.preventDefault();
    stop();
    end(event.message || "the worker could not be started");
  };
  worker.postMessage(task, [task.vectors.buffer]);
  return { stop };
}

const ASK_MS = 250;

/** Three numbers a row of points that have two or three. */
export function spaced(points: Float32Array, dimensions: number): Float32Array {
  const all = new Float32Array((points.length / dimensions) * 3);
  for (let row = 0; row < points.length / dimensions; row++) {
    for (let k = 0; k < dimensions; k++) all[3 * row + k] = points[row * dimensions + k];
  }
  return all;
}

/** Has the server run t-SNE; it keeps what it found, and the same question is answered at once. */
export function startServerTsne(wish: TsneWish, tell: (step: Step) => void, end: (problem: string | null) => void): Job {
  const control = new AbortController();
  let job = "";
  const follow = async (): Promise<string | null> => {
    job = await startTsne(wish, control.signal);
    for (let since = -1; ; ) {
      const found = await fetchTsne(job, since, control.signal);
      since = found.iteration;
      const what = found.state === "waiting" ? "waiting" : `iteration ${found.iteration.toLocaleString("en")} of ${found.iterations.toLocaleString("en")}`;
      tell({ coordinates: found.points && spaced(found.points, found.dimensions), done: found.iteration / Math.max(1, found.iterations), what });
      if (found.state === "done") return null;
      if (found.state === "failed" || found.state === "cancelled") return found.problem ?? "it was stopped";
      await new Promise((go) => setTimeout(go, ASK_MS));
    }
  };
  follow().then(end, (error: unknown) => {
    if (!control.signal.aborted) end(error instanceof Error ? error.message : String(error));
  });
  return {
    stop: () => {
      control.abort();
      if (job) void stopTsne(job).catch(() => undefined);
    },
  };
}
