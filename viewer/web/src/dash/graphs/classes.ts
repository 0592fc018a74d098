/** Which parts of a graph are built alike. */
import type { Model } from "./model";
import type { GraphData } from "./wire";

/** Gives equal texts equal numbers, in the order in which they come. */
class Names {
  readonly #all = new Map<string, number>();

  of(text: string): number {
    let found = this.#all.get(text);
    if (found === undefined) this.#all.set(text, (found = this.#all.size));
    return found;
  }
}

/** How far around a part of a namespace is looked at to tell it from others in there. */
const ROUNDS = 3;

export interface Classes {
  /** By node and namespace: equal where ops, shapes and inner edges are. */
  of: Int32Array;
  /** By namespace: its children, in an order that namespaces of one class share. */
  order: readonly (readonly number[])[];
  /** How many namespaces are of a class. */
  many: ReadonlyMap<number, number>;
}

/** Edges between the children of each namespace: four numbers each, from, to, slot, port; -1 for control. */
function inner(model: Model, data: GraphData): number[][] {
  const found: number[][] = Array.from({ length: model.count - model.n }, () => []);
  const { parent, depth } = model;
  for (let e = 0; e < data.from.length; e++) {
    let [a, b] = [data.from[e], data.to[e]];
    while (depth[a] > depth[b]) a = parent[a];
    while (depth[b] > depth[a]) b = parent[b];
    while (parent[a] !== parent[b]) [a, b] = [parent[a], parent[b]];
    if (a !== b) found[parent[a] - model.n].push(a, b, data.control[e] ? -1 : data.slot[e], data.control[e] ? -1 : data.port[e]);
  }
  return found;
}

/** Classes of all nodes and namespaces. A namespace's comes from its children's, their edges, and nothing of their names. */
export function classesOf(model: Model, data: GraphData): Classes {
  const names = new Names();
  const of = new Int32Array(model.count);
  for (let i = 0; i < model.n; i++) of[i] = names.of(`${data.op[i]}\0${data.shapes[i]?.join("\0") ?? ""}`);
  const edges = inner(model, data);
  const order: number[][] = new Array<number[]>(model.count - model.n).fill([]);
  const many = new Map<number, number>();
  // Parents come before their children.
  for (let id = model.count - 1; id >= model.n; id--) {
    const found = refined(model.children(id), edges[id - model.n], of, names);
    order[id - model.n] = found.order;
    of[id] = found.whole;
    many.set(found.whole, (many.get(found.whole) ?? 0) + 1);
  }
  return { of, order, many };
}

/** Tells children of a namespace apart by what is around them (Weisfeiler and Leman 1968), and so the namespace from others. */
function refined(children: readonly number[], edges: readonly number[], of: Int32Array, names: Names): { order: number[]; whole: number } {
  let colour = new Map(children.map((child) => [child, of[child]]));
  for (let round = 0; round < ROUNDS && edges.length > 0; round++) {
    const around = new Map<number, string[]>(children.map((child) => [child, []]));
    for (let e = 0; e < edges.length; e += 4) {
      const [a, b, slot, port] = [edges[e], edges[e + 1], edges[e + 2], edges[e + 3]];
      around.get(a)?.push(`>${slot}:${colour.get(b)}`);
      around.get(b)?.push(`<${port}:${slot}:${colour.get(a)}`);
    }
    colour = new Map(children.map((child) => [child, names.of(`${colour.get(child)}|${around.get(child)?.sort().join() ?? ""}`)]));
  }
  const order = [...children].sort((a, b) => (colour.get(a) ?? 0) - (colour.get(b) ?? 0) || a - b);
  const parts = order.map((child) => colour.get(child)).join();
  const joined: string[] = [];
  for (let e = 0; e < edges.length; e += 4) joined.push(`${colour.get(edges[e])}>${colour.get(edges[e + 1])}:${edges[e + 3]}`);
  return { order, whole: names.of(`{${parts}|${joined.sort().join()}}`) };
}
