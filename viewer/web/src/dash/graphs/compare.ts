/** Two graphs as one, by the names of their nodes. */
import type { GraphData } from "./wire";

export const SAME = 0;
export const ADDED = 1;
export const REMOVED = 2;
export const CHANGED = 3;

export interface Comparison {
  data: GraphData;
  /** Of each node: the same in both, only in the graph that is shown, only in the other, or not the same. */
  status: Uint8Array;
  /** Of a changed node, what of it. */
  changes: ReadonlyMap<number, readonly string[]>;
}

/** What a node reads, as text: by names, as numbers differ between graphs. */
function reads(data: GraphData): string[][] {
  const found: string[][] = data.name.map(() => []);
  data.from.forEach((from, e) => {
    const slot = data.slot[e] ? `:${data.slot[e]}` : "";
    found[data.to[e]].push(data.control[e] ? `^${data.name[from]}` : `${data.name[from]}${slot}`);
  });
  return found;
}

function differing(a: GraphData, i: number, b: GraphData, j: number, readsA: string[][], readsB: string[][]): string[] {
  const told: string[] = [];
  const differ = (what: string, one: string, other: string): void => {
    if (one !== other) told.push(`${what}: ${one || "none"}, was ${other || "none"}`);
  };
  differ("op", a.op[i], b.op[j]);
  differ("shapes", a.shapes[i].join(", "), b.shapes[j].join(", "));
  differ("inputs", readsA[i].join(", "), readsB[j].join(", "));
  differ("parameters", String(a.parameters?.[i] ?? ""), String(b.parameters?.[j] ?? ""));
  differ("device", a.devices[a.device[i]] ?? "", b.devices[b.device[j]] ?? "");
  const [module, former] = [a.modules[a.module[i]] ?? "", b.modules[b.module[j]] ?? ""];
  if (module && former) differ("module", module, former);
  return told;
}

/** The first graph, and what only the other has. */
export function compared(a: GraphData, b: GraphData): Comparison {
  const inA = new Map(a.name.map((name, i) => [name, i]));
  const inB = new Map(b.name.map((name, j) => [name, j]));
  const gone = b.name.flatMap((name, j) => (inA.has(name) ? [] : [j]));
  const at = (j: number): number => inA.get(b.name[j]) ?? a.name.length + (goneAt.get(j) ?? 0);
  const goneAt = new Map(gone.map((j, k) => [j, k]));
  const [readsA, readsB] = [reads(a), reads(b)];
  const status = new Uint8Array(a.name.length + gone.length).fill(REMOVED, a.name.length);
  const changes = new Map<number, readonly string[]>();
  a.name.forEach((name, i) => {
    const j = inB.get(name);
    if (j === undefined) return void (status[i] = ADDED);
    const told = differing(a, i, b, j, readsA, readsB);
    if (told.length === 0) return;
    status[i] = CHANGED;
    changes.set(i, told);
  });
  return { data: joined(a, b, gone, at), status, changes };
}

function joined(a: GraphData, b: GraphData, gone: readonly number[], at: (j: number) => number): GraphData {
  const more = <T>(of: readonly T[], other: readonly T[]): T[] => [...of, ...gone.map((j) => other[j])];
  const counted = (of: readonly number[] | null, other: readonly number[] | null): number[] | null =>
    of ? [...of, ...gone.map((j) => other?.[j] ?? 0)] : null;
  const index = (of: readonly number[], table: readonly string[], other: readonly number[], names: readonly string[]): { table: string[]; at: number[] } => {
    const all = [...table];
    const places = new Map(all.map((name, i) => [name, i]));
    const found = gone.map((j) => {
      if (other[j] < 0) return -1;
      const name = names[other[j]];
      let place = places.get(name);
      if (place === undefined) places.set(name, (place = all.push(name) - 1));
      return place;
    });
    return { table: all, at: [...of, ...found] };
  };
  // Of edges of the other graph, those that end at what only it has: those between nodes of both are told as changed inputs.
  const only = new Set(gone);
  const edges = b.from.flatMap((from, e) => (only.has(from) || only.has(b.to[e]) ? [e] : []));
  const device = index(a.device, a.devices, b.device, b.devices);
  const module = index(a.module, a.modules, b.module, b.modules);
  const source = index(a.source, a.sources, b.source, b.sources);
  return {
    ...a,
    name: more(a.name, b.name),
    op: more(a.op, b.op),
    shapes: more(a.shapes, b.shapes),
    from: [...a.from, ...edges.map((e) => at(b.from[e]))],
    to: [...a.to, ...edges.map((e) => at(b.to[e]))],
    slot: [...a.slot, ...edges.map((e) => b.slot[e])],
    port: [...a.port, ...edges.map((e) => b.port[e])],
    control: [...a.control, ...edges.map((e) => b.control[e])],
    devices: device.table,
    device: device.at,
    modules: module.table,
    module: module.at,
    sources: source.table,
    source: source.at,
    parameters: counted(a.parameters, b.parameters),
    flops: counted(a.flops, b.flops),
    nanoseconds: counted(a.nanoseconds, b.nanoseconds),
    bytes: counted(a.bytes, b.bytes),
  };
}
