/** Values of modules, from the series of the run that the graph is of. */
import type { Columns } from "../../data/columns";
import type { Model } from "./model";
import type { GraphData } from "./wire";

/** The path of a module, from "body.0: Linear(…)". */
export function pathOf(module: string): string {
  const end = module.indexOf(": ");
  return end < 0 ? module : module.slice(0, end);
}

/** The last value, or that of the last step that is not after the given one; NaN for none. */
export function valueAt(columns: Pick<Columns, "n" | "step" | "value"> | undefined, step: number | null): number {
  if (!columns || columns.n === 0) return NaN;
  if (step === null) return columns.value[columns.n - 1];
  for (let i = columns.n - 1; i >= 0; i--) if (columns.step[i] <= step) return columns.value[i];
  return NaN;
}

/** The value of a module, or of the nearest one that it is a part of: deep models have series of containers only. */
function nearest(path: string, values: ReadonlyMap<string, number>): number {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
    const value = values.get(at);
    if (value !== undefined) return value;
  }
  return NaN;
}

/**
 * A value for each node and namespace: a namespace has its module's own, else the greatest within it; a node has that of
 * the module it is in. NaN for those that no series tells of.
 */
export function healthOf(model: Model, data: Pick<GraphData, "modules" | "module">, values: ReadonlyMap<string, number>): Float64Array {
  const found = new Float64Array(model.count).fill(NaN);
  const own = new Uint8Array(model.count);
  for (const [path, value] of values) {
    const id = path === "" ? model.root : model.scope(path.replaceAll(".", "/"));
    if (id < 0) continue;
    found[id] = value;
    own[id] = 1;
  }
  for (let i = 0; i < model.n; i++) {
    if (own[i] || data.module[i] < 0) continue;
    found[i] = nearest(pathOf(data.modules[data.module[i]]), values);
  }
  for (let id = model.count - 1; id >= model.n; id--) {
    if (own[id]) continue;
    for (const child of model.children(id)) {
      if (Number.isNaN(found[id]) || found[child] > found[id]) found[id] = found[child];
    }
  }
  return found;
}
