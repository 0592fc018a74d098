/** What stands below what: groups, their counters, their tracks, and the lanes of these. */
import type { CounterAbout, Group, TrackPage } from "./wire";

export const LANE = 18;
const HEAD = 24;
const COUNTER = 36;
const PAD = 5;
/** Of a track that is folded. */
const FOLDED = 16;
export const FOLDED_LANES = 3;
export const FOLDED_LANE = 5;
/** Of a track's name, where it stands above its lanes. */
export const LABEL = 17;

interface Placed {
  /** From the top of all. */
  y: number;
  height: number;
  group: Group;
}

export interface GroupRow extends Placed {
  kind: "group";
  folded: boolean;
  tracks: number;
}

export interface CounterRow extends Placed {
  kind: "counter";
  counter: CounterAbout;
}

export interface TrackRow extends Placed {
  kind: "track";
  track: number;
  name: string;
  events: number;
  lanes: number;
  /** Those that are drawn. */
  shown: number;
  laneHeight: number;
  /** Where the first lane begins, below `y`. */
  inset: number;
  folded: boolean;
}

export type Row = GroupRow | CounterRow | TrackRow;

export interface Rows {
  rows: readonly Row[];
  height: number;
  ofTrack: ReadonlyMap<number, TrackRow>;
}

/** Rows of the tracks that are known so far. `above`: names stand above their tracks, for there is no room beside. */
export function rowsOf(pages: readonly TrackPage[], counters: readonly CounterAbout[], folded: ReadonlySet<string>, above: boolean): Rows {
  const rows: Row[] = [];
  const ofTrack = new Map<number, TrackRow>();
  let y = 0;
  let last: GroupRow | null = null;
  const add = <T extends Row>(row: T): T => {
    rows.push(row);
    y += row.height;
    return row;
  };
  const begin = (group: Group): GroupRow => {
    const head: GroupRow = add({ kind: "group", y, height: HEAD, group, folded: folded.has(group.name), tracks: 0 });
    if (head.folded) return head;
    const mine = counters.filter((one) => (group.kind === "device" ? one.device === group.device : group.kind === "host" && one.device < 0 && !rows.some((row) => row.kind === "counter" && row.counter === one)));
    for (const counter of mine) add({ kind: "counter", y, height: COUNTER, group, counter });
    return head;
  };
  for (const page of pages) {
    for (let i = 0; i < page.name.length; i++) {
      const group = page.groups[page.group[i]];
      if (last?.group.name !== group.name) last = begin(group);
      last.tracks++;
      if (last.folded) continue;
      const track = page.begin + i;
      const closed = folded.has(String(track));
      const inset = (above ? LABEL : 0) + 2;
      const lanes = page.lanes[i];
      const shown = closed ? Math.min(lanes, FOLDED_LANES) : lanes;
      const laneHeight = closed ? FOLDED_LANE : LANE;
      const height = inset + (closed ? FOLDED : Math.max(lanes * LANE, LANE)) + PAD;
      ofTrack.set(track, add({ kind: "track", y, height, group, track, name: page.name[i], events: page.events[i], lanes, shown, laneHeight, inset, folded: closed }));
    }
  }
  return { rows, height: y, ofTrack };
}

/** The first row that ends below a height. */
function firstBelow(rows: readonly Row[], y: number): number {
  let [lo, hi] = [0, rows.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (rows[mid].y + rows[mid].height <= y) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The rows between two heights. */
export function within(all: Rows, top: number, bottom: number): readonly Row[] {
  const first = firstBelow(all.rows, top);
  let last = first;
  while (last < all.rows.length && all.rows[last].y < bottom) last++;
  return all.rows.slice(first, last);
}

export function rowAt(all: Rows, y: number): Row | null {
  const row = all.rows.at(firstBelow(all.rows, y)) as Row | undefined;
  return row && y >= row.y && y < row.y + row.height ? row : null;
}

/** The lane of a track at a height; -1 beside all. */
export function laneAt(row: TrackRow, y: number): number {
  const lane = Math.floor((y - row.y - row.inset) / row.laneHeight);
  return lane >= 0 && lane < row.shown ? lane : -1;
}

/** The upper edge and the height of a lane. */
export function laneBox(row: TrackRow, lane: number): { y: number; height: number } {
  return { y: row.y + row.inset + Math.min(lane, row.shown - 1) * row.laneHeight, height: row.laneHeight };
}

/** The tracks of these rows, as the server is asked for them. */
export function tracksAsked(rows: readonly Row[]): string {
  return rows.flatMap((row) => (row.kind === "track" ? [row.folded ? `${row.track}:${FOLDED_LANES}` : String(row.track)] : [])).join(",");
}
