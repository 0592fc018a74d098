import type { Layers } from "./layered";

const SWEEPS = 12;
/** Above this many short edges, fewer sweeps have to do. */
const MANY = 4_000;

interface Neighbours {
  /** Items and where on them an edge is, as a part of their width. */
  item: number[][];
  at: number[][];
}

function neighbours(made: Layers): { above: Neighbours; below: Neighbours } {
  const empty = (): Neighbours => ({ item: made.layer.map(() => []), at: made.layer.map(() => []) });
  const [above, below] = [empty(), empty()];
  made.from.forEach((a, e) => {
    const b = made.to[e];
    above.item[b].push(a);
    above.at[b].push(made.leaves[e] / made.width[a] - 0.5);
    below.item[a].push(b);
    below.at[a].push(made.meets[e] / made.width[b] - 0.5);
  });
  return { above, below };
}

/** Crossings between two layers: pairs of edges in another order at one end than at the other (counted by a Fenwick tree). */
export function crossings(upper: readonly number[], lower: readonly number[]): number {
  const order = upper.map((_, e) => e).sort((a, b) => upper[a] - upper[b] || lower[a] - lower[b]);
  const ranks = [...new Set(lower)].sort((a, b) => a - b);
  const rank = new Map(ranks.map((value, i) => [value, i + 1]));
  const tree = new Int32Array(ranks.length + 1);
  let [seen, found] = [0, 0];
  for (const e of order) {
    const at = rank.get(lower[e]) ?? 0;
    let before = 0;
    for (let i = at; i > 0; i -= i & -i) before += tree[i];
    found += seen - before;
    for (let i = at; i <= ranks.length; i += i & -i) tree[i]++;
    seen++;
  }
  return found;
}

/** The order in each layer that was found to cross least. */
export function ordered(made: Layers, beside: ReadonlyMap<number, number>): number[][] {
  const layers = made.layer.reduce((most, one) => Math.max(most, one), -1) + 1;
  let rows: number[][] = Array.from({ length: layers }, () => []);
  const { above, below } = neighbours(made);
  const position = new Float64Array(made.layer.length);
  const number = (row: readonly number[]): void => row.forEach((item, i) => (position[item] = i));
  // Real items as they came; places of edges go in by the first sweep, beside their nodes where these are known.
  made.layer.forEach((layer, item) => rows[layer].push(item));
  rows.forEach((row) => number(row));
  for (const [item, node] of beside) position[item] = position[node] + 0.5;
  rows = rows.map((row) => row.sort((a, b) => position[a] - position[b] || a - b));
  rows.forEach(number);
  const sorted = (row: readonly number[], near: Neighbours): number[] => {
    const wanted = new Map(
      row.map((item) => {
        const { item: items, at } = { item: near.item[item], at: near.at[item] };
        return [item, items.length === 0 ? position[item] : items.reduce((sum, other, i) => sum + position[other] + at[i], 0) / items.length];
      }),
    );
    return [...row].sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0) || position[a] - position[b]);
  };
  const many = made.from.length > MANY;
  let best = { rows: rows.map((row) => [...row]), crossings: many ? Infinity : total(made, position) };
  for (let sweep = 0; sweep < (many ? 4 : SWEEPS) && best.crossings > 0; sweep++) {
    const down = sweep % 2 === 0;
    for (let i = 1; i < layers; i++) {
      const at = down ? i : layers - 1 - i;
      rows[at] = sorted(rows[at], down ? above : below);
      number(rows[at]);
    }
    const now = many ? (sweep === 3 ? 0 : Infinity) : total(made, position);
    if (now < best.crossings) best = { rows: rows.map((row) => [...row]), crossings: now };
  }
  return best.rows;
}

function total(made: Layers, position: Float64Array): number {
  const byLayer: [number[], number[]][] = [];
  made.from.forEach((a, e) => {
    const [upper, lower] = (byLayer[made.layer[a]] ??= [[], []]);
    upper.push(position[a] + made.leaves[e] / made.width[a] - 0.5);
    lower.push(position[made.to[e]] + made.meets[e] / made.width[made.to[e]] - 0.5);
  });
  let sum = 0;
  for (const pair of byLayer) if (pair) sum += crossings(pair[0], pair[1]);
  return sum;
}
