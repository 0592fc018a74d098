/** Lays a graph out off the page's thread. */
import { classesOf } from "./classes";
import { Model } from "./model";
import { handed, sent, type Parcel } from "./parcel";
import { Layout } from "./scene";
import type { GraphData } from "./wire";

export type Task =
  | { kind: "graph"; key: number; data: GraphData }
  | { kind: "scene"; key: number; turn: number; open: readonly number[]; aside: boolean };

export type Answer =
  | { kind: "classes"; key: number; of: Int32Array; many: ReadonlyMap<number, number> }
  | { kind: "scene"; key: number; turn: number; scene: Parcel; took: number }
  | { kind: "failed"; key: number; message: string };

let layout: Layout | null = null;
let held = -1;

function answer(task: Task): Answer | null {
  if (task.kind === "graph") {
    const model = new Model(task.data);
    const classes = classesOf(model, task.data);
    layout = new Layout(model, task.data, classes);
    held = task.key;
    return { kind: "classes", key: task.key, of: classes.of, many: classes.many };
  }
  if (!layout || task.key !== held) return null;
  const began = performance.now();
  const scene = layout.scene(new Set(task.open), task.aside);
  return { kind: "scene", key: task.key, turn: task.turn, scene: sent(scene), took: performance.now() - began };
}

self.onmessage = ({ data }: MessageEvent<Task>): void => {
  try {
    const found = answer(data);
    if (found) self.postMessage(found, { transfer: found.kind === "scene" ? handed(found.scene) : [] });
  } catch (error) {
    self.postMessage({ kind: "failed", key: data.key, message: error instanceof Error ? error.message : String(error) } satisfies Answer);
  }
};
