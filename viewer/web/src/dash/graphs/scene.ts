/** What is to be drawn of a graph whose namespaces are partly open: boxes, and edges along curves. */
import type { Classes } from "./classes";
import { layered, type Part, type Placed } from "./layered";
import type { Model } from "./model";
import { elements } from "./shapes";
import { boxSize, HEAD_PX, PAD_PX } from "./sizes";
import type { GraphData } from "./wire";

/** An open namespace: what stands in it, from its upper left corner on. */
export interface Frame {
  id: number;
  x: number;
  y: number;
  width: number;
  height: number;
  children: Int32Array;
  /** Left, top, width and height of each child. */
  boxes: Float32Array;
  /** How many of the children, the last ones, stand aside. */
  aside: number;
  /** Of each edge: the thing it comes from, whichever namespaces lie between; then, in `targets` from `ends`, all it leads to. */
  source: Int32Array;
  ends: Int32Array;
  targets: Int32Array;
  /** Numbers of a tensor, the sum over those that differ; how many differ; the shape of the only one. */
  amount: Float64Array;
  tensors: Int32Array;
  shape: readonly string[];
  /** Whether an edge only says what runs before what. */
  control: Uint8Array;
  curves: Float32Array;
  starts: Int32Array;
  /** Whether an arrow ends each edge: it meets a thing, and not a way out. */
  arrow: Uint8Array;
}

export interface Scene {
  frames: readonly Frame[];
  width: number;
  height: number;
  /** Pairs of things whose edge is not drawn as one of them stands aside: from, to, from, to… */
  loose: Int32Array;
}

const CONSTANT = /^(const|constant|hostconst|prim::constant|variable|variablev2|varhandleop|parameter|initializer|prim::getattr)$/i;
/** A source read by so many things stands aside, and anything else by so many more. */
const READ_BY_MANY = 6;
const READ_BY_MOST = 16;
const WAITS_FOR_MANY = 8;

/** Slots of one node that are told apart. */
const SLOTS = 4_096;
/** Of so few, looking at each is faster than a set. */
const FEW = 12;

/** The tensors of an edge, each once: a number for a node and its slot. Most edges have one. */
class Tensors {
  readonly all: number[] = [];
  #set: Set<number> | null = null;

  add(tensor: number): void {
    if (this.#set ? this.#set.has(tensor) : this.all.includes(tensor)) return;
    this.all.push(tensor);
    if (this.#set) this.#set.add(tensor);
    else if (this.all.length > FEW) this.#set = new Set(this.all);
  }

  with(others: Tensors): Tensors {
    const joined = new Tensors();
    for (const tensor of this.all) joined.add(tensor);
    for (const tensor of others.all) joined.add(tensor);
    return joined;
  }
}

interface Pair {
  from: number;
  to: number;
  control: boolean;
  tensors: Tensors;
}

/** What each node is seen as: itself, or the closed namespace that holds it. */
export function seen(model: Model, open: ReadonlySet<number>): Int32Array {
  const as = new Int32Array(model.n);
  const stack = [model.root];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id < model.n) as[id] = id;
    else if (id === model.root || open.has(id)) stack.push(...model.children(id));
    else for (const leaf of model.leaves(id)) as[leaf] = id;
  }
  return as;
}

/** An edge within one namespace while it is gathered; -1 stands for a way in, -2 for a way out. */
interface Segment {
  a: number;
  b: number;
  source: number;
  targets: number[];
  tensors: Tensors;
  control: boolean;
  /** Whether its tensors are its own, and not those of the pair that it came with. */
  own: boolean;
}

class Gathering {
  readonly segments = new Map<number, Map<number, Segment>>();
  readonly loose: number[] = [];
  readonly aside: Set<number>;

  constructor(
    readonly model: Model,
    data: GraphData,
    open: ReadonlySet<number>,
    putAside: boolean,
  ) {
    const pairs = this.#pairs(data, seen(model, open));
    this.aside = putAside ? this.#asides(data, pairs) : new Set();
    for (const pair of pairs) {
      if (this.aside.has(pair.from) || this.aside.has(pair.to)) this.loose.push(pair.from, pair.to);
      else this.#lead(pair);
    }
  }

  #pairs(data: GraphData, as: Int32Array): Pair[] {
    const found = new Map<number, Pair>();
    for (let e = 0; e < data.from.length; e++) {
      const [a, b] = [as[data.from[e]], as[data.to[e]]];
      if (a === b) continue;
      const key = a * this.model.count + b;
      let pair = found.get(key);
      if (!pair) found.set(key, (pair = { from: a, to: b, control: true, tensors: new Tensors() }));
      if (data.control[e]) continue;
      pair.control = false;
      pair.tensors.add(data.from[e] * SLOTS + Math.min(SLOTS - 1, data.slot[e]));
    }
    return [...found.values()];
  }

  /** Constants, and what is read or waited for so widely that its edges would cover all others. */
  #asides(data: GraphData, pairs: readonly Pair[]): Set<number> {
    const [reads, readBy, waits, gives] = [0, 1, 2, 3].map(() => new Int32Array(this.model.count));
    for (const { from, to, control } of pairs) {
      (control ? waits : reads)[to]++;
      readBy[from]++;
      if (!control) gives[from]++;
    }
    const found = new Set<number>();
    for (let id = 0; id < this.model.count; id++) {
      const source = reads[id] === 0 && waits[id] === 0;
      const constant = id < this.model.n && source && CONSTANT.test(data.op[id]);
      if (constant || readBy[id] >= (source ? READ_BY_MANY : READ_BY_MOST)) found.add(id);
      else if (waits[id] >= WAITS_FOR_MANY && gives[id] === 0 && reads[id] === 0) found.add(id);
    }
    return found;
  }

  /** Has an edge go through all namespaces between its ends. */
  #lead(pair: Pair): void {
    const { parent, depth } = this.model;
    let [a, b] = [pair.from, pair.to];
    const rise = (): void => {
      this.#segment(parent[a], a, -2, pair);
      a = parent[a];
    };
    const sink = (): void => {
      this.#segment(parent[b], -1, b, pair);
      b = parent[b];
    };
    while (depth[a] > depth[b]) rise();
    while (depth[b] > depth[a]) sink();
    while (parent[a] !== parent[b]) {
      rise();
      sink();
    }
    this.#segment(parent[a], a, b, pair);
  }

  #segment(group: number, a: number, b: number, pair: Pair): void {
    let within = this.segments.get(group);
    if (!within) this.segments.set(group, (within = new Map()));
    // Where an edge begins in here its source tells.
    const key = pair.from * (this.model.count + 2) + b + 2;
    const found = within.get(key);
    if (!found) {
      within.set(key, { a, b, source: pair.from, targets: [pair.to], tensors: pair.tensors, control: pair.control, own: false });
      return;
    }
    found.targets.push(pair.to);
    if (found.own) for (const tensor of pair.tensors.all) found.tensors.add(tensor);
    else [found.tensors, found.own] = [found.tensors.with(pair.tensors), true];
    found.control &&= pair.control;
  }
}

/** A namespace laid out by itself. */
interface Inner {
  width: number;
  height: number;
  frame: Omit<Frame, "id" | "x" | "y" | "width" | "height">;
  /** Where on its top and bottom the ways of each source are. */
  ways: Map<number, number>;
  outs: Map<number, number>;
}

/** Lays graphs out, and remembers how: what is built alike is laid out once, and looks alike. */
export class Layout {
  readonly #known = new Map<string, Placed>();
  readonly #sizes = new Map<number, readonly [width: number, height: number]>();
  /** Curves as they stand in a frame of this size: what is built alike shares them. */
  readonly #set = new WeakMap<Placed, { top: number; height: number; curves: Float32Array }>();

  constructor(
    readonly model: Model,
    readonly data: GraphData,
    readonly classes: Classes,
  ) {}

  scene(open: ReadonlySet<number>, putAside: boolean): Scene {
    const { model } = this;
    const gathered = new Gathering(model, this.data, open, putAside);
    const inners = new Map<number, Inner>();
    const shown = [model.root];
    for (const id of shown) for (const child of model.children(id)) if (child >= model.n && open.has(child)) shown.push(child);
    for (const id of [...shown].reverse()) inners.set(id, this.#inner(id, inners, gathered));
    const frames: Frame[] = [];
    const place = (id: number, x: number, y: number): void => {
      const inner = inners.get(id);
      if (!inner) return;
      frames.push({ id, x, y, width: inner.width, height: inner.height, ...inner.frame });
      inner.frame.children.forEach((child, i) => {
        if (inners.has(child)) place(child, x + inner.frame.boxes[4 * i], y + inner.frame.boxes[4 * i + 1]);
      });
    };
    place(model.root, 0, 0);
    const root = inners.get(model.root);
    return { frames, width: root?.width ?? 0, height: root?.height ?? 0, loose: Int32Array.from(gathered.loose) };
  }

  #inner(id: number, inners: ReadonlyMap<number, Inner>, { segments, aside }: Gathering): Inner {
    const { model } = this;
    const order = this.classes.order[id - model.n];
    const main = order.filter((child) => !aside.has(child));
    const beside = order.filter((child) => aside.has(child));
    const edges = [...(segments.get(id)?.values() ?? [])];
    const at = new Map(main.map((child, i) => [child, i]));
    const size = (child: number): readonly [number, number] => {
      const inner = inners.get(child);
      return inner ? [inner.width, inner.height] : this.#size(child);
    };
    const sizes = main.map(size);
    const ins = [...new Set(edges.filter(({ a }) => a === -1).map(({ source }) => source))];
    const outs = [...new Set(edges.filter(({ b }) => b === -2).map(({ source }) => source))];
    const way = new Map(ins.map((source, i) => [source, main.length + i]));
    const out = new Map(outs.map((source, i) => [source, main.length + ins.length + i]));
    const part: Part = {
      nodes: main.length,
      ways: ins.length,
      outs: outs.length,
      width: sizes.map(([width]) => width),
      height: sizes.map(([, height]) => height),
      from: edges.map(({ a, source }) => (a === -1 ? way.get(source) : at.get(a)) ?? 0),
      to: edges.map(({ b, source }) => (b === -2 ? out.get(source) : at.get(b)) ?? 0),
      leaves: edges.map(({ a, source }) => (a === -1 ? 1 : (inners.get(a)?.outs.get(source) ?? size(a)[0] / 2))),
      meets: edges.map(({ b, source }) => (b === -2 ? 1 : (inners.get(b)?.ways.get(source) ?? size(b)[0] / 2))),
    };
    return this.#dressed(id, part, this.#placed(part), edges, [main, beside], [ins, outs]);
  }

  #size(id: number): readonly [width: number, height: number] {
    let found = this.#sizes.get(id);
    if (!found) this.#sizes.set(id, (found = boxSize(this.model, this.data, id)));
    return found;
  }

  #placed(part: Part): Placed {
    const key = JSON.stringify(part);
    let found = this.#known.get(key);
    if (!found) {
      if (this.#known.size > 3_000) this.#known.clear();
      this.#known.set(key, (found = packed(part)));
    }
    return found;
  }

  /** With a head, a margin, and what stands aside. */
  #dressed(id: number, part: Part, placed: Placed, edges: readonly Segment[], [main, beside]: number[][], [ins, outs]: number[][]): Inner {
    const { model } = this;
    const root = id === model.root;
    const [left, top] = root ? [0, 0] : [PAD_PX, HEAD_PX + (part.ways > 0 ? 2 : 6)];
    const boxes = new Float32Array(4 * (main.length + beside.length));
    main.forEach((_, i) => boxes.set([left + placed.x[i], top + placed.y[i], part.width[i], part.height[i]], 4 * i));
    let width = left + placed.width;
    let height = top + placed.height;
    if (beside.length > 0) {
      const most = Math.max(placed.height, 220);
      let [x, y, wide] = [width + (main.length > 0 ? 34 : 0), top, 0];
      beside.forEach((child, i) => {
        const [w, h] = this.#size(child);
        if (y > top && y + h > top + most) [x, y, wide] = [x + wide + 14, top, 0];
        boxes.set([x, y, w, h], 4 * (main.length + i));
        wide = Math.max(wide, w);
        height = Math.max(height, y + h);
        y += h + 10;
      });
      width = x + wide;
    }
    const bottom = root ? 0 : part.outs > 0 ? 2 : PAD_PX;
    width = Math.max(width + left, root ? 0 : headWidth(model, id));
    height += bottom;
    const curves = this.#curves(placed, edges, left, top, height);
    const spot = (first: number, sources: readonly number[]): Map<number, number> => new Map(sources.map((source, i) => [source, left + placed.x[first + i] + 1]));
    return {
      width,
      height,
      frame: { children: Int32Array.from([...main, ...beside]), boxes, aside: beside.length, ...this.#edges(edges), curves, starts: placed.starts },
      ways: spot(part.nodes, ins),
      outs: spot(part.nodes + part.ways, outs),
    };
  }

  #curves(placed: Placed, edges: readonly Segment[], left: number, top: number, height: number): Float32Array {
    const known = this.#set.get(placed);
    if (known && known.top === top && known.height === height) return known.curves;
    const curves = placed.curves.slice();
    for (let i = 0; i < curves.length; i += 2) {
      curves[i] += left;
      curves[i + 1] += top;
    }
    this.#reach(curves, placed.starts, edges, height);
    this.#set.set(placed, { top, height, curves });
    return curves;
  }

  /** Ways in begin at the upper edge of the box, ways out end at the lower one. */
  #reach(curves: Float32Array, starts: Int32Array, edges: readonly Segment[], height: number): void {
    edges.forEach(({ a, b }, e) => {
      if (a === -1) curves[starts[e] + 1] = 0;
      if (b === -2) curves[starts[e + 1] - 1] = height;
    });
  }

  #edges(edges: readonly Segment[]): Pick<Frame, "source" | "ends" | "targets" | "amount" | "tensors" | "shape" | "control" | "arrow"> {
    const ends = new Int32Array(edges.length + 1);
    const targets: number[] = [];
    const shape: string[] = [];
    const amount = new Float64Array(edges.length);
    edges.forEach((edge, e) => {
      for (const target of edge.targets) targets.push(target);
      ends[e + 1] = targets.length;
      const { all } = edge.tensors;
      const shapeOf = (tensor: number): string => this.data.shapes[Math.floor(tensor / SLOTS)]?.[tensor % SLOTS] ?? "";
      shape.push(all.length === 1 ? shapeOf(all[0]) : "");
      for (const tensor of all) amount[e] += elements(shapeOf(tensor));
    });
    return {
      source: Int32Array.from(edges, ({ source }) => source),
      ends,
      targets: Int32Array.from(targets),
      amount,
      tensors: Int32Array.from(edges, ({ tensors }) => tensors.all.length),
      shape,
      control: Uint8Array.from(edges, ({ control }) => Number(control)),
      arrow: Uint8Array.from(edges, ({ b }) => Number(b !== -2)),
    };
  }
}

function headWidth(model: Model, id: number): number {
  return boxSize(model, null, id)[0] + 16;
}

/** Parts that no edge joins stand side by side, in rows about as wide as all is high. */
export function packed(part: Part): Placed {
  const parts = part.ways + part.outs > 0 ? [] : components(part);
  if (parts.length < 2) return layered(part);
  const placed = parts.map((some) => layered(some.part));
  const area = placed.reduce((sum, one) => sum + (one.width + 40) * (one.height + 40), 0);
  const wide = Math.max(Math.sqrt(area * 1.5), ...placed.map((one) => one.width));
  const x = new Float32Array(part.nodes);
  const y = new Float32Array(part.nodes);
  const shift: [number, number][] = [];
  let [left, top, tall, width] = [0, 0, 0, 0];
  placed.forEach((one, i) => {
    if (left > 0 && left + one.width > wide) [left, top, tall] = [0, top + tall + 40, 0];
    shift.push([left, top]);
    parts[i].nodes.forEach((node, k) => {
      x[node] = left + one.x[k];
      y[node] = top + one.y[k];
    });
    left += one.width + (one.x.length > 1 ? 44 : 26);
    width = Math.max(width, left - 26);
    tall = Math.max(tall, one.height);
  });
  const starts = new Int32Array(part.from.length + 1);
  const of = new Map<number, [number, number]>();
  parts.forEach((some, i) => some.edges.forEach((edge, k) => of.set(edge, [i, k])));
  const curves: number[] = [];
  for (let e = 0; e < part.from.length; e++) {
    const [i, k] = of.get(e) ?? [0, 0];
    const some = placed[i].curves.subarray(placed[i].starts[k], placed[i].starts[k + 1]);
    starts[e] = curves.length;
    some.forEach((value, j) => curves.push(value + shift[i][j % 2]));
  }
  starts[part.from.length] = curves.length;
  return { width, height: top + tall, x, y, starts, curves: Float32Array.from(curves) };
}

/** The parts of a part that no edge joins: those with edges first, as they come. */
function components(part: Part): { part: Part; nodes: number[]; edges: number[] }[] {
  const of = Int32Array.from({ length: part.nodes }, (_, i) => i);
  const find = (i: number): number => {
    while (of[i] !== i) i = of[i] = of[of[i]];
    return i;
  };
  part.from.forEach((a, e) => {
    const [one, other] = [find(a), find(part.to[e])];
    of[Math.max(one, other)] = Math.min(one, other);
  });
  const found = new Map<number, { nodes: number[]; edges: number[] }>();
  for (let i = 0; i < part.nodes; i++) {
    const root = find(i);
    const some = found.get(root) ?? { nodes: [], edges: [] };
    some.nodes.push(i);
    found.set(root, some);
  }
  part.from.forEach((a, e) => found.get(find(a))?.edges.push(e));
  const several = [...found.values()].sort((a, b) => Number(b.edges.length > 0) - Number(a.edges.length > 0) || a.nodes[0] - b.nodes[0]);
  return several.map(({ nodes, edges }) => {
    const at = new Map(nodes.map((node, i) => [node, i]));
    const pick = <T>(of: readonly T[], which: readonly number[]): T[] => which.map((i) => of[i]);
    return {
      nodes,
      edges,
      part: {
        nodes: nodes.length,
        ways: 0,
        outs: 0,
        width: pick(part.width, nodes),
        height: pick(part.height, nodes),
        from: pick(part.from, edges).map((node) => at.get(node) ?? 0),
        to: pick(part.to, edges).map((node) => at.get(node) ?? 0),
        leaves: pick(part.leaves, edges),
        meets: pick(part.meets, edges),
      },
    };
  });
}
