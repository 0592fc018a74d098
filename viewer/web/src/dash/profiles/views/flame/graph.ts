/** The nodes of a flame graph, where they stand, and what is under a point. */

/** As the server says it: see viewer/span_tree.py. */
export interface FlameData {
  names: readonly string[];
  name: readonly number[];
  parent: readonly number[];
  total: readonly number[];
  self: readonly number[];
  count: readonly number[];
  kind: readonly number[];
  hidden: readonly number[];
  nodes: number;
}

export const BAR = 20;

export interface Bar {
  node: number;
  depth: number;
  /** Shares of the width. */
  low: number;
  high: number;
}

export class Flame {
  readonly children: readonly (readonly number[])[];
  readonly depth: readonly number[];

  constructor(readonly data: FlameData) {
    const children: number[][] = data.parent.map(() => []);
    const depth = data.parent.map(() => 0);
    // Parents come before their children, and of these the larger first.
    data.parent.forEach((parent, node) => {
      if (parent < 0) return;
      children[parent].push(node);
      depth[node] = depth[parent] + 1;
    });
    this.children = children;
    this.depth = depth;
  }

  nameOf(node: number): string {
    return this.data.names[this.data.name[node]];
  }

  path(node: number): number[] {
    const found: number[] = [];
    for (let at = node; at >= 0; at = this.data.parent[at]) found.push(at);
    return found.reverse();
  }

  /** The node at the end of a path of names below the root; as far as it goes. */
  find(names: readonly string[]): number {
    let at = 0;
    for (const name of names) {
      const next = this.children[at].find((child) => this.nameOf(child) === name);
      if (next === undefined) break;
      at = next;
    }
    return at;
  }

  /** Where nodes stand when one of them is as wide as all: what holds it is as wide, above it. */
  bars(root: number, least: number): Bar[] {
    const bars: Bar[] = this.path(root).map((node, depth) => ({ node, depth, low: 0, high: 1 }));
    const place = (node: number, low: number, high: number): void => {
      const total = this.data.total[node];
      // What several threads do at once is more than the time of what holds it: then all are narrower.
      const inside = this.children[node].reduce((sum, child) => sum + this.data.total[child], 0);
      const scale = (high - low) / Math.max(total, inside, 1);
      let at = low;
      for (const child of this.children[node]) {
        const end = at + this.data.total[child] * scale;
        if (end - at < least) break;
        bars.push({ node: child, depth: this.depth[child], low: at, high: end });
        place(child, at, end);
        at = end;
      }
    };
    place(root, 0, 1);
    return bars;
  }

  /** The nodes whose name has a text in it, and their time, each counted once. */
  matches(text: string): { nodes: ReadonlySet<number>; total: number; count: number } {
    const wanted = text.toLowerCase();
    const fits = this.data.names.map((name) => wanted !== "" && name.toLowerCase().includes(wanted));
    const nodes = new Set<number>();
    const inside = this.data.parent.map(() => false);
    let [total, count] = [0, 0];
    for (let node = 1; node < this.data.parent.length; node++) {
      const within = inside[this.data.parent[node]];
      const fit = fits[this.data.name[node]];
      inside[node] = within || fit;
      if (!fit) continue;
      nodes.add(node);
      count += this.data.count[node];
      if (!within) total += this.data.total[node];
    }
    return { nodes, total, count };
  }
}

export function barAt(bars: readonly Bar[], x: number, depth: number): Bar | null {
  return bars.find((bar) => bar.depth === depth && x >= bar.low && x < bar.high) ?? null;
}
