/** What a node depends on, and what depends on it. */
import type { GraphData } from "./wire";

type Edges = Pick<GraphData, "from" | "to" | "name">;

/** Edges by the node at one of their ends, in two arrays. */
export class Adjacent {
  readonly #first: Int32Array;
  readonly #edges: Int32Array;

  constructor(nodes: number, ends: readonly number[]) {
    this.#first = new Int32Array(nodes + 1);
    for (const end of ends) this.#first[end + 1]++;
    for (let i = 0; i < nodes; i++) this.#first[i + 1] += this.#first[i];
    this.#edges = new Int32Array(ends.length);
    const next = this.#first.slice();
    ends.forEach((end, edge) => (this.#edges[next[end]++] = edge));
  }

  of(node: number): Int32Array {
    return this.#edges.subarray(this.#first[node], this.#first[node + 1]);
  }
}

export class Tracer {
  readonly into: Adjacent;
  readonly out: Adjacent;

  constructor(readonly data: Edges) {
    this.into = new Adjacent(data.name.length, data.to);
    this.out = new Adjacent(data.name.length, data.from);
  }

  /** Marks all that these nodes read, over any number of others, and themselves. */
  up(nodes: Iterable<number>): Uint8Array {
    return this.#reach(nodes, this.into, this.data.from);
  }

  /** Marks all that reads these nodes, over any number of others, and themselves. */
  down(nodes: Iterable<number>): Uint8Array {
    return this.#reach(nodes, this.out, this.data.to);
  }

  /** Marks all on the ways from the one to the other; where none leads there, on those back. */
  between(some: Iterable<number>, others: Iterable<number>): Uint8Array {
    const [a, b] = [[...some], [...others]];
    const forth = both(this.down(a), this.up(b));
    return forth.includes(1) ? forth : both(this.down(b), this.up(a));
  }

  #reach(nodes: Iterable<number>, edges: Adjacent, ends: readonly number[]): Uint8Array {
    const seen = new Uint8Array(this.data.name.length);
    const queue = [...nodes];
    for (const node of queue) seen[node] = 1;
    for (const node of queue) {
      for (const edge of edges.of(node)) {
        const next = ends[edge];
        if (seen[next]) continue;
        seen[next] = 1;
        queue.push(next);
      }
    }
    return seen;
  }
}

function both(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((one, i) => one & b[i]);
}
