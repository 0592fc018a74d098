/** What the server says of a trace: see viewer/span_windows.py and docs/viewer.md. Times are nanoseconds. */
import { checked } from "../../../../data/api";
import { address, ask, type Chosen } from "../../wire";

export interface Group {
  name: string;
  kind: "device" | "host" | "other";
  device: number;
}

export interface TrackPage {
  total: number;
  begin: number;
  /** Into `groups`. */
  group: readonly number[];
  name: readonly string[];
  lanes: readonly number[];
  events: readonly number[];
  groups: readonly Group[];
}

export interface CounterAbout {
  id: string;
  name: string;
  unit: "share" | "bytes";
  device: number;
  most: number;
}

/** The first page of tracks, and all that is said once of a trace. */
export interface Outline {
  tracks: TrackPage;
  low: number;
  high: number;
  base: number | null;
  events: number;
  deepest: number;
  steps: { name: readonly string[]; start: readonly number[]; end: readonly number[]; total: number };
  kinds: readonly string[];
  counters: readonly CounterAbout[];
  strip: readonly number[];
}

/** Enough to name an event and to go there. */
export interface Brief {
  row: number;
  name: string;
  kind: string;
  start: number;
  end: number;
  track: number;
  lane: number;
}

/** One end of a flow; `of` is the other, the event that is looked at or one inside or around it. */
export interface End extends Brief {
  of: Brief;
}

export interface Told extends Brief {
  where: string;
  device: number;
  self: number;
  children: number;
  alike: { count: number; mean: number; total: number };
  arguments: readonly (readonly [string, string | number])[];
  path: readonly Brief[];
  launcher: Brief | null;
  launched: { count: number; total: number; first: readonly Brief[] };
  /** The operation of the forward pass to which it belongs, and what of the backward pass belongs to it. */
  forward: End | null;
  backward: { count: number; total: number; first: readonly End[] };
}

export interface Found {
  count: number;
  total: number;
  names: readonly (readonly [name: string, count: number, total: number])[];
  at: number;
  event: Brief | null;
}

export interface Sum {
  from: number;
  to: number;
  events: number;
  tracks: number;
  names: readonly string[];
  kind: readonly number[];
  count: readonly number[];
  total: readonly number[];
  self: readonly number[];
  others: { names: number; count: number; total: number };
  busy: readonly { device: number; share: number }[];
}

/** Where in the columns the items of a lane are. */
export interface Lane {
  spans: readonly [number, number];
  blocks: readonly [number, number];
}

export interface Spans {
  n: number;
  start: Float32Array;
  end: Float32Array;
  row: Uint32Array;
  name: Uint16Array;
  kind: Uint8Array;
}

export interface Blocks {
  n: number;
  start: Float32Array;
  end: Float32Array;
  count: Uint32Array;
  kind: Uint8Array;
  share: Uint8Array;
}

/** The bit of a kind that says that a search finds it. */
export const FOUND = 128;
/** The name of a span that was not sent. */
export const UNNAMED = 0xffff;

/** What a window of time shows, as the server sent it; starts and ends are after `from`. */
export interface Level {
  from: number;
  to: number;
  grid: number;
  names: readonly string[];
  lanes: ReadonlyMap<number, ReadonlyMap<number, Lane>>;
  spans: Spans;
  blocks: Blocks;
  counters: ReadonlyMap<string, { least: Float32Array; most: Float32Array }>;
  bytes: number;
}

interface Place {
  at: number;
  n: number;
}

interface Header {
  v: number;
  from: number;
  to: number;
  grid: number;
  names: string[];
  lanes: Place;
  spans: Place;
  blocks: Place;
  counters: (Place & { id: string })[];
}

/** Reads columns one behind the other, each of which begins at a multiple of 8. */
class Columns {
  constructor(
    readonly buffer: ArrayBuffer,
    public at: number,
    readonly n: number,
  ) {}

  next<T>(Kind: { new (buffer: ArrayBuffer, at: number, n: number): T; BYTES_PER_ELEMENT: number }): T {
    const column = new Kind(this.buffer, this.at, this.n);
    this.at += Math.ceil((this.n * Kind.BYTES_PER_ELEMENT) / 8) * 8;
    return column;
  }
}

export function decodeLevel(buffer: ArrayBuffer): Level {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0, true) !== 0x31534c54) throw new Error("the answer is not a TLS1 frame");
  const body = 8 + view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, body - 8))) as Header;
  const columns = ({ at, n }: Place): Columns => new Columns(buffer, body + at, n);
  let read = columns(head.lanes);
  const [track, lane, spansOf, blocksOf] = [read.next(Uint32Array), read.next(Uint32Array), read.next(Uint32Array), read.next(Uint32Array)];
  read = columns(head.spans);
  const spans: Spans = { n: read.n, start: read.next(Float32Array), end: read.next(Float32Array), row: read.next(Uint32Array), name: read.next(Uint16Array), kind: read.next(Uint8Array) };
  read = columns(head.blocks);
  const blocks: Blocks = { n: read.n, start: read.next(Float32Array), end: read.next(Float32Array), count: read.next(Uint32Array), kind: read.next(Uint8Array), share: read.next(Uint8Array) };
  const lanes = new Map<number, Map<number, Lane>>();
  let [span, block] = [0, 0];
  for (let i = 0; i < head.lanes.n; i++) {
    const mine = lanes.get(track[i]) ?? new Map<number, Lane>();
    lanes.set(track[i], mine);
    mine.set(lane[i], { spans: [span, span + spansOf[i]], blocks: [block, block + blocksOf[i]] });
    span += spansOf[i];
    block += blocksOf[i];
  }
  const counters = new Map(
    head.counters.map((one) => {
      const of = columns(one);
      return [one.id, { least: of.next(Float32Array), most: of.next(Float32Array) }] as const;
    }),
  );
  return { from: head.from, to: head.to, grid: head.grid, names: head.names, lanes, spans, blocks, counters, bytes: buffer.byteLength };
}

/** What is asked of a window. */
export interface Asked {
  from: number;
  to: number;
  pixels: number;
  /** As the server reads it: "0,3:2". */
  tracks: string;
  counters: string;
  query: string;
  regex: boolean;
}

const searched = (query: string, regex: boolean): Record<string, string> => (query ? { q: query, ...(regex ? { regex: "1" } : {}) } : {});

export async function fetchLevel(chosen: Chosen, asked: Asked, signal?: AbortSignal): Promise<Level> {
  const { from, to, pixels, tracks, counters, query, regex } = asked;
  const more = { from: String(from), to: String(to), pixels: String(pixels), tracks, counters, ...searched(query, regex) };
  const response = await fetch(address("spans", chosen, more), { signal: signal ?? null });
  return decodeLevel(await (await checked(response)).arrayBuffer());
}

export const fetchOutline = (chosen: Chosen, signal?: AbortSignal): Promise<Outline> => ask<Outline>("spans/tracks", chosen, {}, signal);

export async function fetchTracks(chosen: Chosen, begin: number, signal?: AbortSignal): Promise<TrackPage> {
  return (await ask<{ tracks: TrackPage }>("spans/tracks", chosen, { begin: String(begin) }, signal)).tracks;
}

export const fetchOne = (chosen: Chosen, row: number, signal?: AbortSignal): Promise<Told> => ask<Told>("spans/one", chosen, { row: String(row) }, signal);

/** The next match after a row, the one before it, or without one the first that ends after `near`. */
export function fetchFound(chosen: Chosen, query: string, regex: boolean, from: { row?: number; near?: number; way?: number }, signal?: AbortSignal): Promise<Found> {
  const more = Object.fromEntries(Object.entries(from).map(([key, value]) => [key, String(value)]));
  return ask<Found>("spans/search", chosen, { ...searched(query, regex), ...more }, signal);
}

export const fetchSum = (chosen: Chosen, low: number, high: number, tracks: string, signal?: AbortSignal): Promise<Sum> =>
  ask<Sum>("spans/sum", chosen, { from: String(low), to: String(high), tracks }, signal);
