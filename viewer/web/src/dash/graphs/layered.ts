/**
 * Places nodes in layers so that edges go down (Sugiyama, Tagawa and Toda 1981): cycles are opened, layers given, long
 * edges led through places of their own, crossings taken out by barycentres, and places across found as the least
 * squares that keep the order (pool adjacent violators).
 */
import { ordered } from "./ordering";
import { across } from "./across";

/** What is to be placed: `size` holds real nodes, then ways in (on top), then ways out (at the bottom). */
export interface Part {
  nodes: number;
  ways: number;
  outs: number;
  /** Of real nodes. */
  width: readonly number[];
  height: readonly number[];
  from: readonly number[];
  to: readonly number[];
  /** Where an edge leaves and meets its nodes, from their left ends; of ways this is 0. */
  leaves: readonly number[];
  meets: readonly number[];
}

export interface Placed {
  width: number;
  height: number;
  /** Upper left corners; of ways, where they are. */
  x: Float32Array;
  y: Float32Array;
  /** Of each edge: where its curve begins in `curves`, and, as the last one, where all end. */
  starts: Int32Array;
  /** A curve: x and y, and then six numbers for each cubic Bézier. */
  curves: Float32Array;
}

/** A layered graph with places for long edges; `item` of a place is -1. */
export interface Layers {
  /** Layer, width and height of each item: real nodes, ways, then places that edges pass. */
  layer: number[];
  width: number[];
  height: number[];
  real: number;
  /** Short edges: between neighbouring layers. */
  from: number[];
  to: number[];
  leaves: number[];
  meets: number[];
  weight: number[];
  /** Items by layer, in order. */
  rows: number[][];
  /** The places that an edge passes, from its upper end to its lower one. */
  passes: number[][];
}

const GAP_PX = 30;
const SLANT = 0.07;
const MOST_GAP_PX = 96;
const TURN_PX = 15;
const LANE_PX = 2;
/** More places than these, and edges that pass more layers than that go straight. */
const MOST_PLACES = 40_000;
const LONG = 8;

/** Edges that close a cycle, found depth first from the ways in and then from the nodes in their order. */
export function closing({ nodes, ways, outs, from, to }: Pick<Part, "nodes" | "ways" | "outs" | "from" | "to">): boolean[] {
  const all = nodes + ways + outs;
  const out = listed(all, from);
  const state = new Uint8Array(all);
  const back = new Array<boolean>(from.length).fill(false);
  for (let i = 0; i < all; i++) {
    const start = (i + nodes) % all;
    if (state[start] !== 0) continue;
    const stack: [node: number, at: number][] = [[start, 0]];
    state[start] = 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const edge = out[top[0]][top[1]++];
      if (edge === undefined) {
        state[top[0]] = 2;
        stack.pop();
      } else if (state[to[edge]] === 1) back[edge] = true;
      else if (state[to[edge]] === 0) {
        state[to[edge]] = 1;
        stack.push([to[edge], 0]);
      }
    }
  }
  return back;
}

function listed(nodes: number, ends: readonly number[]): number[][] {
  const found: number[][] = Array.from({ length: nodes }, () => []);
  ends.forEach((node, edge) => found[node].push(edge));
  return found;
}

/** Layers: as near to the top as edges allow, and then each node as near to those that read it as it pays. */
export function layersOf({ nodes, ways, outs, from, to }: Part, back: readonly boolean[]): number[] {
  const all = nodes + ways + outs;
  const forward = (edges: number[]): number[] => edges.filter((edge) => !back[edge]);
  const out = listed(all, from).map(forward);
  const into = listed(all, to).map(forward);
  const left = into.map((edges) => edges.length);
  const layer = new Array<number>(all).fill(ways > 0 ? 1 : 0);
  for (let way = nodes; way < nodes + ways; way++) layer[way] = 0;
  const queue = left.flatMap((many, node) => (many === 0 ? [node] : []));
  for (const node of queue) {
    for (const edge of out[node]) {
      const next = to[edge];
      layer[next] = Math.max(layer[next], layer[node] + 1);
      if (--left[next] === 0) queue.push(next);
    }
  }
  for (const node of queue.reverse()) {
    if (node >= nodes || out[node].length === 0 || into[node].length > out[node].length) continue;
    const inner = out[node].filter((edge) => to[edge] < nodes);
    if (inner.length > 0) layer[node] = Math.max(layer[node], Math.min(...inner.map((edge) => layer[to[edge]])) - 1);
  }
  const bottom = 1 + layer.slice(0, nodes + ways).reduce((most, one) => Math.max(most, one), 0);
  for (let way = nodes + ways; way < all; way++) layer[way] = bottom;
  return layer;
}

/** Gives edges that pass layers a place in each of them. */
function proper(part: Part, back: readonly boolean[], layer: number[]): Layers {
  const { nodes, ways, outs, from, to } = part;
  const all = nodes + ways + outs;
  const still = new Array<number>(ways + outs).fill(LANE_PX);
  const made: Layers = {
    layer: [...layer],
    width: [...part.width, ...still],
    height: [...part.height, ...still.map(() => 0)],
    real: all,
    from: [],
    to: [],
    leaves: [],
    meets: [],
    weight: [],
    rows: [],
    passes: [],
  };
  const spans = from.map((one, e) => Math.abs(layer[to[e]] - layer[one]));
  const many = spans.reduce((sum, span) => sum + span, 0) > MOST_PLACES;
  const join = (a: number, b: number, leaves: number, meets: number, weight: number): void => {
    made.from.push(a);
    made.to.push(b);
    made.leaves.push(leaves);
    made.meets.push(meets);
    made.weight.push(weight);
  };
  const place = (at: number): number => {
    made.layer.push(at);
    made.width.push(LANE_PX);
    made.height.push(0);
    return made.layer.length - 1;
  };
  from.forEach((a, e) => {
    const b = to[e];
    const [top, bottom] = back[e] ? [layer[b], layer[a]] : [layer[a] + 1, layer[b] - 1];
    const passed: number[] = [];
    made.passes.push(passed);
    if (many && spans[e] > LONG) return;
    for (let at = top; at <= bottom; at++) passed.push(place(at));
    for (let i = 1; i < passed.length; i++) join(passed[i - 1], passed[i], 1, 1, 6);
    if (back[e]) return;
    if (passed.length === 0) return void (layer[b] === layer[a] + 1 && join(a, b, part.leaves[e], part.meets[e], 3));
    join(a, passed[0], part.leaves[e], 1, 1);
    join(passed[passed.length - 1], b, 1, part.meets[e], 1);
  });
  // Places for edges that lead back begin beside the nodes that these join.
  const beside = new Map<number, number>();
  from.forEach((a, e) => {
    if (!back[e] || made.passes[e].length === 0) return;
    beside.set(made.passes[e][0], to[e]);
    beside.set(made.passes[e][made.passes[e].length - 1], a);
  });
  made.rows = ordered(made, beside);
  return made;
}

/** Upper ends and heights of layers, with more room between those whose edges go far to the side. */
function heights(made: Layers, x: Float32Array, framed: boolean): { top: number[]; tall: number[]; height: number } {
  const tall = made.rows.map((row) => row.reduce((most, item) => Math.max(most, made.height[item]), 0));
  const slant = tall.map(() => 0);
  made.from.forEach((a, e) => {
    const dx = Math.abs(x[a] + made.leaves[e] - x[made.to[e]] - made.meets[e]);
    slant[made.layer[a]] = Math.max(slant[made.layer[a]], dx);
  });
  const top: number[] = [];
  let at = 0;
  tall.forEach((height, row) => {
    top.push(at);
    const way = framed && height === 0 && (row === 0 || row === tall.length - 2);
    at += height + (way ? 14 : 0) + Math.min(MOST_GAP_PX, (way ? 0 : GAP_PX) + slant[row] * SLANT);
  });
  const last = tall.length - 1;
  return { top, tall, height: last < 0 ? 0 : top[last] + tall[last] };
}

class Curves {
  readonly starts: number[] = [];
  readonly all: number[] = [];
  #x = 0;
  #y = 0;

  begin(x: number, y: number): void {
    this.starts.push(this.all.length);
    this.all.push(x, y);
    [this.#x, this.#y] = [x, y];
  }

  /** Down or up to there, upright at both ends. */
  to(x: number, y: number): void {
    if (x === this.#x && y === this.#y) return;
    const middle = (this.#y + y) / 2;
    this.all.push(this.#x, middle, x, middle, x, y);
    [this.#x, this.#y] = [x, y];
  }

  /** Around, to a place beside. */
  turn(x: number, y: number, by: number): void {
    this.all.push(this.#x, this.#y + by, x, y + by, x, y);
    [this.#x, this.#y] = [x, y];
  }
}

function curvesOf(part: Part, made: Layers, back: readonly boolean[], x: Float32Array, y: Float32Array, top: number[], tall: number[]): Curves {
  const curves = new Curves();
  const middle = (item: number): number => x[item] + LANE_PX / 2;
  part.from.forEach((a, e) => {
    const b = part.to[e];
    const [ax, bx] = [x[a] + part.leaves[e], x[b] + part.meets[e]];
    const [ay, by] = [y[a] + made.height[a], y[b]];
    const foot = (item: number): number => top[made.layer[item]] + tall[made.layer[item]];
    const passed = made.passes[e];
    curves.begin(ax, ay);
    if (back[e] && passed.length > 0) {
      const last = passed[passed.length - 1];
      curves.to(ax, foot(a));
      curves.turn(middle(last), foot(a), TURN_PX * 1.4);
      for (const item of [...passed].reverse()) {
        curves.to(middle(item), foot(item));
        curves.to(middle(item), top[made.layer[item]]);
      }
      curves.turn(bx, top[made.layer[b]], -TURN_PX * 1.4);
      curves.to(bx, by);
      return;
    }
    curves.to(ax, foot(a));
    for (const item of passed) {
      curves.to(middle(item), top[made.layer[item]]);
      curves.to(middle(item), foot(item));
    }
    curves.to(bx, top[made.layer[b]]);
    curves.to(bx, by);
  });
  curves.starts.push(curves.all.length);
  return curves;
}

/** Places all that belong together. */
export function layered(part: Part): Placed {
  const all = part.nodes + part.ways + part.outs;
  const back = closing(part);
  const layer = layersOf(part, back);
  const made = proper(part, back, layer);
  const x = across(made);
  const { top, tall, height } = heights(made, x, part.ways + part.outs > 0);
  const y = new Float32Array(x.length);
  let width = 0;
  for (let item = 0; item < x.length; item++) {
    y[item] = top[made.layer[item]] + (tall[made.layer[item]] - made.height[item]) / 2;
    width = Math.max(width, x[item] + made.width[item]);
  }
  const curves = curvesOf(part, made, back, x, y, top, tall);
  return { width, height, x: x.slice(0, all), y: y.slice(0, all), starts: Int32Array.from(curves.starts), curves: Float32Array.from(curves.all) };
}
