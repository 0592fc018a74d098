import type { Layers } from "./layered";

const BETWEEN_PX = 26;
const LANES_PX = 12;
const SWEEPS = 10;
const MANY = 4_000;
/** When nothing moves by more, it is as good as it gets. */
const STILL_PX = 0.5;
/** A bend of fewer pixels is no bend. */
const SNAP_PX = 18;

/** Places in a layer: the least weighted squares from what is `wanted` that keep `apart` between each and its next. */
export function kept(wanted: readonly number[], weight: readonly number[], apart: readonly number[]): number[] {
  const blocks: { value: number; weight: number; many: number }[] = [];
  let offset = 0;
  const offsets = wanted.map((_, i) => (i === 0 ? 0 : (offset += apart[i - 1])));
  wanted.forEach((value, i) => {
    let block = { value: value - offsets[i], weight: weight[i], many: 1 };
    for (let last = blocks.at(-1); last && last.value > block.value; last = blocks.at(-1)) {
      blocks.pop();
      const sum = last.weight + block.weight;
      block = { value: (last.value * last.weight + block.value * block.weight) / sum, weight: sum, many: last.many + block.many };
    }
    blocks.push(block);
  });
  const found: number[] = [];
  for (const { value, many } of blocks) for (let i = 0; i < many; i++) found.push(value + offsets[found.length]);
  return found;
}

class Across {
  readonly #made: Layers;
  readonly x: Float32Array;
  readonly #above: number[][];
  readonly #below: number[][];

  constructor(made: Layers) {
    this.#made = made;
    this.x = new Float32Array(made.layer.length);
    this.#above = made.layer.map(() => []);
    this.#below = made.layer.map(() => []);
    made.from.forEach((a, e) => {
      this.#below[a].push(e);
      this.#above[made.to[e]].push(e);
    });
    for (const row of made.rows) this.#pack(row);
  }

  /** Least distance between the left ends of neighbours. */
  #apart(a: number, b: number): number {
    const { real, width } = this.#made;
    return width[a] + (a >= real && b >= real ? LANES_PX : a >= real || b >= real ? LANES_PX + 6 : BETWEEN_PX);
  }

  #pack(row: readonly number[]): void {
    let at = 0;
    row.forEach((item, i) => {
      if (i > 0) at += this.#apart(row[i - 1], item);
      this.x[item] = at;
    });
    const last = row.at(-1);
    const half = last === undefined ? 0 : (this.x[last] + this.#made.width[last]) / 2;
    for (const item of row) this.x[item] -= half;
  }

  /** The left end that an edge wants its other end's item to have. */
  #asks(edge: number, item: number): number {
    const { from, to, leaves, meets } = this.#made;
    return to[edge] === item ? this.x[from[edge]] + leaves[edge] - meets[edge] : this.x[to[edge]] + meets[edge] - leaves[edge];
  }

  /** Places a layer as its neighbours want it; by how many pixels something moved. */
  #settle(row: readonly number[], above: boolean, below: boolean): number {
    const { weight } = this.#made;
    const wanted = new Array<number>(row.length);
    const weights = new Array<number>(row.length);
    const apart = new Array<number>(row.length - 1);
    for (let i = 0; i < row.length; i++) {
      const item = row[i];
      let [sum, share] = [0, 0];
      for (let side = 0; side < 2; side++) {
        if (side === 0 ? !above : !below) continue;
        const edges = (side === 0 ? this.#above : this.#below)[item];
        for (const edge of edges) {
          sum += weight[edge] * this.#asks(edge, item);
          share += weight[edge];
        }
      }
      wanted[i] = share > 0 ? sum / share : this.x[item];
      weights[i] = share > 0 ? share : 0.1;
      if (i > 0) apart[i - 1] = this.#apart(row[i - 1], item);
    }
    let moved = 0;
    const found = kept(wanted, weights, apart);
    for (let i = 0; i < row.length; i++) {
      moved = Math.max(moved, Math.abs(this.x[row[i]] - found[i]));
      this.x[row[i]] = found[i];
    }
    return moved;
  }

  sweep(): void {
    const { rows, from } = this.#made;
    const upwards = [...rows].reverse();
    const sweeps = from.length > MANY ? 3 : SWEEPS;
    for (let sweep = 0, moved = 1; sweep < sweeps && moved > STILL_PX; sweep++) {
      moved = 0;
      for (const row of rows) moved = Math.max(moved, this.#settle(row, true, false));
      for (const row of upwards) moved = Math.max(moved, this.#settle(row, false, true));
    }
    for (let sweep = 0, moved = 1; sweep < sweeps && moved > STILL_PX; sweep++) {
      moved = 0;
      for (const row of sweep % 2 ? upwards : rows) moved = Math.max(moved, this.#settle(row, true, true));
    }
  }

  /** How far an item may go to the left and to the right. */
  #room(row: readonly number[], i: number): [number, number] {
    const item = row[i];
    const lo = i > 0 ? this.x[row[i - 1]] + this.#apart(row[i - 1], item) : -Infinity;
    const hi = i + 1 < row.length ? this.x[row[i + 1]] - this.#apart(item, row[i + 1]) : Infinity;
    return [lo, hi];
  }

  /** Takes small bends out: places of one edge go in one line where there is room, and nodes under what they read. */
  straighten(): void {
    const where = new Map<number, [row: readonly number[], i: number]>();
    for (const row of this.#made.rows) row.forEach((item, i) => where.set(item, [row, i]));
    const free = (item: number, x: number): boolean => {
      const [row, i] = where.get(item) ?? [[], 0];
      const [lo, hi] = this.#room(row, i);
      return lo - 0.01 <= x && x <= hi + 0.01;
    };
    for (const passed of this.#made.passes) {
      for (let start = 0; start < passed.length; ) {
        let end = start + 1;
        while (end < passed.length && Math.abs(this.x[passed[end]] - this.x[passed[end - 1]]) < SNAP_PX) end++;
        const some = passed.slice(start, end);
        const mean = some.reduce((sum, item) => sum + this.x[item], 0) / some.length;
        const tries = [mean, this.x[some[0]], this.x[some[some.length - 1]], Math.max(...some.map((item) => this.x[item])), Math.min(...some.map((item) => this.x[item]))];
        const fitting = tries.find((x) => some.every((item) => free(item, x)));
        if (fitting !== undefined) for (const item of some) this.x[item] = fitting;
        start = end;
      }
    }
    for (const rows of [this.#made.rows, [...this.#made.rows].reverse()]) {
      for (const row of rows) {
        for (const item of row) {
          const edges = rows === this.#made.rows ? this.#above[item] : this.#below[item];
          if (edges.length !== 1 || item >= this.#made.real) continue;
          const x = this.#asks(edges[0], item);
          if (Math.abs(x - this.x[item]) < SNAP_PX && free(item, x)) this.x[item] = x;
        }
      }
      if (rows === this.#made.rows && this.#made.from.length > MANY) break;
    }
  }
}

/** Left ends of all items, the leftmost at 0. */
export function across(made: Layers): Float32Array {
  const places = new Across(made);
  places.sweep();
  places.straighten();
  let least = Infinity;
  for (const value of places.x) least = Math.min(least, value);
  if (Number.isFinite(least)) for (let i = 0; i < places.x.length; i++) places.x[i] -= least;
  return places.x;
}
