import { checked } from "../../data/api";

/** One of the graphs that there are. */
export interface Listed {
  run: string;
  tag: string;
  /** "run", "conceptual" or "function"; "file" for one that was brought. */
  kind: string;
  nodes: number;
  step: number;
  wall_time: number;
  /** Tags of the records of a step that tell what each node cost. */
  records: readonly string[];
  /** All that were logged there, the oldest first, where there are several. */
  versions: readonly { number: number; step: number; wall_time: number }[];
  /** Which of these; null for the latest, which later ones may follow. */
  number?: number | null;
}

/** What a series of scalars tells of modules: by the path of the module, its tag. */
export type Health = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A graph in columns, as GET api/graph answers. */
export interface GraphData {
  run: string;
  tag: string;
  kind: string;
  record: string;
  notes: readonly string[];
  title: string;
  name: readonly string[];
  op: readonly string[];
  /** Edges: output `slot` of node `from` is input `port` of node `to`. */
  from: readonly number[];
  slot: readonly number[];
  to: readonly number[];
  port: readonly number[];
  control: readonly number[];
  /** Inputs that name no node, as they are written. */
  dangling: readonly (readonly [node: number, input: string])[];
  devices: readonly string[];
  device: readonly number[];
  /** Of each node's outputs, as "float32[32,10]". */
  shapes: readonly (readonly string[])[];
  parameters: readonly number[] | null;
  flops: readonly number[] | null;
  nanoseconds: readonly number[] | null;
  bytes: readonly number[] | null;
  modules: readonly string[];
  module: readonly number[];
  sources: readonly string[];
  source: readonly number[];
  health?: Health;
  /** Which of several that were logged; not said of the latest. */
  number?: number;
}

/** What is fetched of one node when it is looked at. */
export interface NodeFacts {
  name: string;
  op: string;
  device?: string;
  attributes?: readonly (readonly [string, string])[];
  inputs?: readonly string[];
  control?: readonly string[];
  outputs?: readonly { shape?: string; dtype?: string }[];
  bytes?: number | null;
  start?: number | null;
}

/** Which graph: enough to ask for it. */
export interface Which {
  run: string;
  tag: string;
  kind: string;
  record: string;
  /** Which of several that were logged there; of the latest it is not said. */
  number?: number | null;
}

type Named = Pick<Which, "run" | "tag" | "kind" | "number">;

export function sameGraph(a: Named, b: Named): boolean {
  return a.run === b.run && a.tag === b.tag && a.kind === b.kind && (a.number ?? null) === (b.number ?? null);
}

/** Each graph that can be looked at: of one run and tag the latest first, then those before it. */
export function everyVersion(listed: readonly Listed[]): Listed[] {
  return listed.flatMap((one) => [one, ...one.versions.slice(0, -1).reverse().map(({ number, step, wall_time }) => ({ ...one, number, step, wall_time, nodes: -1 }))]);
}

export async function fetchGraphs(signal?: AbortSignal): Promise<Listed[]> {
  const response = await fetch("./api/graphs", { cache: "no-cache", signal: signal ?? null });
  return everyVersion(((await (await checked(response)).json()) as { graphs: Listed[] }).graphs);
}

const asked = ({ run, tag, kind, record, number }: Which): string =>
  new URLSearchParams({ run, tag, kind, record, ...(number == null ? {} : { number: String(number) }) }).toString();

export async function fetchGraph(which: Which, signal?: AbortSignal): Promise<GraphData> {
  const response = await fetch(`./api/graph?${asked(which)}`, { cache: "no-cache", signal: signal ?? null });
  return (await checked(response)).json() as Promise<GraphData>;
}

export async function fetchNode(which: Which, name: string, signal?: AbortSignal): Promise<NodeFacts> {
  const query = `${asked(which)}&${new URLSearchParams({ name }).toString()}`;
  const response = await fetch(`./api/graph/node?${query}`, { signal: signal ?? null });
  return (await checked(response)).json() as Promise<NodeFacts>;
}

/** Has the server read a file; it keeps nothing of it. */
export async function readFile(file: File): Promise<GraphData> {
  const response = await fetch(`./api/graph/read?${new URLSearchParams({ name: file.name }).toString()}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });
  return (await checked(response)).json() as Promise<GraphData>;
}
