import { checked } from "../../data/api";
import type { Sheet } from "./sprites";

/** An embedding that a run's configuration names. */
export interface Entry {
  run: string;
  /** "" for a configuration that cannot be read. */
  name: string;
  /** Null where only reading the file would tell. */
  rows: number | null;
  columns: number | null;
  metadata: boolean;
  sprite: Sheet | null;
  bookmarks: boolean;
  problems: readonly string[];
}

/** A column of the metadata: a text for each shown row, and numbers where all of them are. */
export interface Column {
  name: string;
  values: readonly string[];
  /** NaN where there is none. */
  numbers: Float64Array | null;
}

export interface Metadata {
  rows: number;
  shown: number;
  columns: Column[];
  problems: readonly string[];
}

type Numbers = Float32Array | Uint32Array | Int32Array;

interface Frame<Head> {
  head: Head;
  columns: Partial<Record<string, Numbers>>;
}

const MAGIC = 0x31504c54; // "TLP1", little-endian
const TYPES = { f4: Float32Array, u4: Uint32Array, i4: Int32Array } as const;

/** @throws Error for anything that is no TLP1 frame. */
export function decoded<Head>(buffer: ArrayBuffer, lengthOf: (head: Head, name: string) => number): Frame<Head> {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0, true) !== MAGIC) throw new Error("the answer is no TLP1 frame");
  const size = view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size))) as Head & { columns: Record<string, { at: number; type: keyof typeof TYPES }> };
  const columns: Partial<Record<string, Numbers>> = {};
  for (const [name, { at, type }] of Object.entries(head.columns)) columns[name] = new TYPES[type](buffer, 8 + size + at, lengthOf(head, name));
  return { head, columns };
}

export interface Which {
  run: string;
  name: string;
  /** Rows that are shown at most. */
  most: number;
}

const addressed = (route: string, { run, name, most }: Which): string =>
  `./api/projector/${route}?${new URLSearchParams({ run, name, most: String(most) }).toString()}`;

async function posted(route: string, body: object, signal: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return checked(await fetch(`./api/projector/${route}`, { method: "POST", headers, body: JSON.stringify(body), signal }));
}

export async function fetchEntries(signal: AbortSignal): Promise<Entry[]> {
  const response = await checked(await fetch("./api/projector", { cache: "no-cache", signal }));
  return ((await response.json()) as { embeddings: Entry[] }).embeddings;
}

export async function fetchMetadata(which: Which, signal: AbortSignal): Promise<Metadata> {
  const response = await checked(await fetch(addressed("metadata", which), { signal }));
  const { columns, ...rest } = (await response.json()) as Omit<Metadata, "columns"> & { columns: { name: string; numeric: boolean; values: string[] }[] };
  return {
    ...rest,
    columns: columns.map(({ name, numeric, values }) => ({
      name,
      values,
      numbers: numeric ? Float64Array.from(values, (value) => (value === "" ? NaN : Number(value))) : null,
    })),
  };
}

export interface VectorsAnswer {
  values: Float32Array;
  columns: number;
  rows: number;
  shown: number;
  /** The numbers of the shown rows, where they are not all. */
  row: Uint32Array | null;
  bad: number;
  problems: readonly string[];
}

export async function fetchVectors(which: Which, signal: AbortSignal): Promise<VectorsAnswer> {
  interface Head {
    rows: number;
    shown: number;
    columns_count: number;
    nan_rows: number;
    problems: readonly string[];
  }
  const response = await checked(await fetch(addressed("vectors", which), { signal }));
  const { head, columns } = decoded<Head>(await response.arrayBuffer(), (all, name) => (name === "vectors" ? all.shown * all.columns_count : all.shown));
  const { rows, shown, columns_count, nan_rows, problems } = head;
  return { values: columns["vectors"] as Float32Array, columns: columns_count, rows, shown, row: (columns["row"] as Uint32Array | undefined) ?? null, bad: nan_rows, problems };
}

export interface Principal {
  rows: number;
  shown: number;
  components: number;
  /** Of the variance, one a component. */
  fractions: readonly number[];
  nan_rows: number;
  points: Float32Array;
  row: Uint32Array | null;
}

export async function fetchPrincipal(which: Which, sphereize: boolean, signal: AbortSignal): Promise<Principal> {
  const response = await posted("pca", { ...which, components: 10, sphereize }, signal);
  const { head, columns } = decoded<Omit<Principal, "points" | "row">>(await response.arrayBuffer(), (all, name) =>
    name === "points" ? all.shown * all.components : all.shown,
  );
  return { ...head, points: columns["points"] as Float32Array, row: (columns["row"] as Uint32Array | undefined) ?? null };
}

export interface Near {
  rows: readonly number[];
  distances: readonly number[];
  /** Where these are among the shown rows; -1 for those that are not. */
  places: readonly number[];
}

export async function fetchNear(which: Which, row: number, k: number, metric: string, signal: AbortSignal): Promise<Near> {
  return (await posted("neighbours", { ...which, row, k, metric }, signal)).json() as Promise<Near>;
}

export interface TsneWish extends Which {
  dimensions: 2 | 3;
  perplexity: number;
  learning_rate: number;
  sphereize: boolean;
}

export interface TsneState {
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  iteration: number;
  iterations: number;
  shown: number;
  dimensions: number;
  problem: string | null;
  points: Float32Array | null;
}

export async function startTsne(wish: TsneWish, signal: AbortSignal): Promise<string> {
  const response = await posted("tsne", { ...wish, iterations: 750, seed: 0 }, signal);
  return ((await response.json()) as { job: string }).job;
}

export async function fetchTsne(job: string, since: number, signal: AbortSignal): Promise<TsneState> {
  const response = await checked(await fetch(`./api/projector/tsne?${new URLSearchParams({ job, since: String(since) }).toString()}`, { signal, cache: "no-store" }));
  const { head, columns } = decoded<Omit<TsneState, "points">>(await response.arrayBuffer(), (all) => all.shown * all.dimensions);
  return { ...head, points: (columns["points"] as Float32Array | undefined) ?? null };
}

export async function stopTsne(job: string): Promise<void> {
  await fetch("./api/projector/tsne/end", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ job }), keepalive: true });
}

export function spriteAddress({ run, name }: Pick<Entry, "run" | "name">): string {
  return `./api/projector/sprite?${new URLSearchParams({ run, name }).toString()}`;
}

export async function fetchBookmarks({ run, name }: Pick<Entry, "run" | "name">, signal: AbortSignal): Promise<unknown> {
  const response = await checked(await fetch(`./api/projector/bookmarks?${new URLSearchParams({ run, name }).toString()}`, { signal }));
  return response.json();
}
