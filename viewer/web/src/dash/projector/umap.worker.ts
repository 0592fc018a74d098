/** UMAP off the page's thread: it tells where it is, and ends when it is ended. */
import { UMAP } from "umap-js";
import { seeded } from "./random";

export interface Task {
  vectors: Float32Array;
  columns: number;
  neighbours: number;
  spread: number;
  components: 2 | 3;
}

export interface Progress {
  epoch: number;
  epochs: number;
  /** Three numbers a row. */
  coordinates: Float32Array;
}

/** Least time between two pictures of the way there. */
const PAUSE_MS = 120;

function coordinatesOf(embedding: readonly (readonly number[])[]): Float32Array {
  const all = new Float32Array(embedding.length * 3);
  embedding.forEach((row, i) => all.set(row, 3 * i));
  return all;
}

self.onmessage = ({ data }: MessageEvent<Task>): void => {
  const { vectors, columns, neighbours, spread, components } = data;
  const rows = Array.from({ length: vectors.length / columns }, (_, i) => Array.from(vectors.subarray(i * columns, (i + 1) * columns)));
  const umap = new UMAP({ nComponents: components, nNeighbors: Math.min(neighbours, rows.length - 1), minDist: spread, random: seeded(7) });
  const epochs = umap.initializeFit(rows);
  let told = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    umap.step();
    const now = performance.now();
    if (now - told < PAUSE_MS && epoch < epochs) continue;
    told = now;
    const coordinates = coordinatesOf(umap.getEmbedding());
    self.postMessage({ epoch, epochs, coordinates } satisfies Progress, { transfer: [coordinates.buffer] });
  }
};
