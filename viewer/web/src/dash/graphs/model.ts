/** The tree of namespaces that names with "/" make of a graph. */
import type { GraphData } from "./wire";

/** What a namespace holds, or a node is: sums over nodes, null where nothing is known of any. */
export interface Totals {
  parameters: Float64Array | null;
  flops: Float64Array | null;
  nanoseconds: Float64Array | null;
  bytes: Float64Array | null;
}
export const MEASURES = ["parameters", "flops", "nanoseconds", "bytes"] as const;
export type Measure = (typeof MEASURES)[number];

interface Branch {
  name: string;
  label: string;
  parent: Branch | null;
  at: Map<string, Branch>;
  /** Nodes and branches, in the order in which they first appear. */
  children: (number | Branch)[];
}

const branch = (name: string, label: string, parent: Branch | null): Branch => ({ name, label, parent, at: new Map(), children: [] });

/**
 * A graph as a tree. Nodes are 0 … n-1 as in the data, namespaces follow, the first of them (`root`) being the whole.
 * A namespace that holds one thing only stands for that thing: "c1/conv2d" is a node labelled "c1".
 */
export class Model {
  readonly n: number;
  readonly root: number;
  /** Nodes and namespaces together. */
  readonly count: number;
  readonly parent: Int32Array;
  readonly depth: Int32Array;
  readonly label: readonly string[];
  /** Full names; of a namespace that stands for one thing, that thing's. */
  readonly name: readonly string[];
  readonly #children: readonly (readonly number[])[];
  /** All nodes so that those of a namespace stand together, from `first` to before `last`. */
  readonly order: Int32Array;
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly totals: Totals;
  readonly #byName = new Map<string, number>();
  readonly #scopes = new Map<string, number>();
  readonly #passed: [string, Branch][] = [];

  constructor(readonly data: Pick<GraphData, "name" | "op" | Measure>) {
    this.n = this.root = data.name.length;
    data.name.forEach((one, i) => this.#byName.set(one, i));
    const root = this.#tree();
    const groups = this.#flatten(root);
    this.count = this.n + groups.length;
    this.parent = new Int32Array(this.count).fill(-1);
    this.depth = new Int32Array(this.count);
    const label = new Array<string>(this.count).fill("");
    const name: string[] = [...data.name, ...groups.map((group) => group.name)];
    const ids = new Map(groups.map((group, i) => [group, this.n + i]));
    const children = groups.map((group, i) => {
      const id = this.n + i;
      label[id] ||= group.label;
      return group.children.map((child) => {
        const [thing, said] = this.#standing(child, group.name);
        const at = typeof thing === "number" ? thing : (ids.get(thing) ?? 0);
        this.parent[at] = id;
        this.depth[at] = this.depth[id] + 1;
        label[at] = said;
        return at;
      });
    });
    groups.forEach((group, i) => this.#scopes.set(group.name, this.n + i));
    for (const [passed, to] of this.#passed) this.#scopes.set(passed, this.#scopes.get(to.name) ?? this.root);
    this.label = label;
    this.name = name;
    this.#children = children;
    this.order = new Int32Array(this.n);
    this.first = new Int32Array(this.count);
    this.last = new Int32Array(this.count);
    this.#number();
    this.totals = {
      parameters: this.#sum(data.parameters),
      flops: this.#sum(data.flops),
      nanoseconds: this.#sum(data.nanoseconds),
      bytes: this.#sum(data.bytes),
    };
  }

  isGroup(id: number): boolean {
    return id >= this.n;
  }

  children(id: number): readonly number[] {
    return id >= this.n ? this.#children[id - this.n] : [];
  }

  /** What has this name; a node before a namespace, -1 for nothing. */
  find(name: string): number {
    return this.#byName.get(name) ?? this.#scopes.get(name) ?? -1;
  }

  /** The namespace of this name, or what stands for it; -1 for nothing. */
  scope(name: string): number {
    return this.#scopes.get(name) ?? -1;
  }

  /** All namespaces by their names, those too that one thing stands for. */
  get scopes(): ReadonlyMap<string, number> {
    return this.#scopes;
  }

  /** How many nodes it holds. */
  size(id: number): number {
    return this.last[id] - this.first[id];
  }

  /** The nodes that it holds, or is. */
  leaves(id: number): Int32Array {
    return this.order.subarray(this.first[id], this.last[id]);
  }

  /** From the outermost namespace that holds it to itself, without the root. */
  path(id: number): number[] {
    const found: number[] = [];
    for (let at = id; at >= 0 && at !== this.root; at = this.parent[at]) found.unshift(at);
    return found;
  }

  holds(group: number, id: number): boolean {
    return this.first[group] <= this.first[id] && this.last[id] <= this.last[group];
  }

  /** The branches that names make. */
  #tree(): Branch {
    const root = branch("", "", null);
    // A node may be called as the namespace that others lie in: it then lies in there, too.
    const scopes = new Set<string>();
    const parts = this.data.name.map((name) => name.split("/").filter((part) => part !== ""));
    for (const some of parts) for (let i = 1, said = ""; i < some.length; i++) scopes.add((said += (said && "/") + some[i - 1]));
    parts.forEach((some, i) => {
      let at = root;
      const within = scopes.has(some.join("/")) ? some : some.slice(0, -1);
      for (const part of within) {
        let next = at.at.get(part);
        if (!next) {
          next = branch(at.name === "" ? part : `${at.name}/${part}`, part, at);
          at.at.set(part, next);
          at.children.push(next);
        }
        at = next;
      }
      at.children.push(i);
    });
    return root;
  }

  /** The branches that remain, parents first: those that hold one thing only stand for it. */
  #flatten(root: Branch): Branch[] {
    const found = [root];
    for (const group of found) {
      for (const child of group.children) {
        let at = child;
        while (typeof at !== "number" && at.children.length === 1) at = at.children[0];
        if (typeof at !== "number") found.push(at);
      }
    }
    return found;
  }

  /** What a child is, or stands for, and how it is labelled. */
  #standing(child: number | Branch, within: string): [number | Branch, string] {
    const labels: string[] = [];
    let at = child;
    const passed: string[] = [];
    while (typeof at !== "number" && at.children.length === 1) {
      labels.push(at.label);
      passed.push(at.name);
      at = at.children[0];
    }
    if (typeof at !== "number") {
      for (const name of passed) this.#passed.push([name, at]);
      return [at, [...labels, at.label].join("/")];
    }
    const parts = this.data.name[at].split("/").filter((part) => part !== "");
    const last = parts.at(-1) ?? "/";
    for (const name of passed) this.#scopes.set(name, at);
    if (labels.length === 0) return [at, within !== "" && parts.join("/") === within ? `(${last})` : last];
    // "conv2d" tells no more than its op does.
    if (last !== labels.at(-1) && !tells(last, this.data.op[at])) labels.push(last);
    return [at, labels.join("/")];
  }

  /** Numbers nodes so that each namespace's stand together. */
  #number(): void {
    let next = 0;
    const open: [id: number, at: number][] = [[this.root, 0]];
    while (open.length > 0) {
      const top = open[open.length - 1];
      const [id, at] = top;
      const children = this.children(id);
      if (at === 0) this.first[id] = next;
      if (at >= children.length) {
        if (id < this.n) this.order[next++] = id;
        this.last[id] = next;
        open.pop();
      } else {
        top[1]++;
        open.push([children[at], 0]);
      }
    }
  }

  #sum(column: readonly number[] | null | undefined): Float64Array | null {
    if (!column) return null;
    const sums = new Float64Array(this.count);
    column.forEach((value, i) => {
      for (let at = i; at >= 0; at = this.parent[at]) sums[at] += value;
    });
    return sums;
  }
}

/** Whether a name is its op's, as "conv2d_1" and "aten::conv2d" are. */
function tells(name: string, op: string): boolean {
  const bare = name.replace(/_(call)?\d+$/, "").toLowerCase();
  return bare !== "" && bare === (op.split("::").at(-1) ?? op).toLowerCase();
}
