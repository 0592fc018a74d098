/** Tables as the server gives them, a window of rows at a time. */
import { checked } from "../../../data/api";
import { address, type Chosen } from "../wire";

export type Kind = "text" | "count" | "time" | "moment" | "bytes" | "share" | "percent" | "number" | "rank" | "rate" | "flag";
export type Cell = string | number | boolean | null;

export interface Column {
  id: string;
  title: string;
  kind: Kind;
  about: string;
  /** Whether it is a change, of which the sign counts. */
  signed: boolean;
  /** The largest by size, of all rows. */
  most: number | null;
  /** Of the rows that are found, and of all; null where sums say nothing. */
  sum: number | null;
  total: number | null;
}

export interface Head {
  total: number;
  matched: number;
  /** How many rows the list has: of a tree those that are open. */
  shown: number;
  columns: readonly Column[];
  sort: string;
  empty: string;
  notes: readonly string[];
  parquet: boolean;
}

export interface Answer extends Head {
  offset: number;
  rows: readonly number[];
  cells: Readonly<Record<string, readonly Cell[]>>;
  depth?: readonly number[];
  inside?: readonly boolean[];
  open?: readonly boolean[];
}

/** One row, by the columns in their order. */
export interface Row {
  id: number;
  cells: readonly Cell[];
  depth: number;
  inside: boolean;
  open: boolean;
}

/** Where a table comes from: routes, and what they have to be told besides which profile it is. */
export interface Source {
  route: string;
  file: string;
  /** The route that tells all of a row, where there is one. */
  row?: string;
  params: Readonly<Record<string, string>>;
}

export const ofProfile = (table: string, params: Readonly<Record<string, string>> = {}): Source => ({
  route: "profile_tables",
  file: "profile_tables/file",
  row: "profile_tables/row",
  params: { table, ...params },
});

/** How a table is looked at. */
export interface Look {
  q: string;
  regex: boolean;
  /** A column, with "-" before it from the largest down, with "~" by size; the table's own where empty. */
  sort: string;
}

export const PLAIN: Look = { q: "", regex: false, sort: "" };

/** What of an address says how a table is looked at. */
export function asked({ q, regex, sort }: Look): Record<string, string> {
  return { ...(q === "" ? {} : { q }), ...(regex && q !== "" ? { regex: "1" } : {}), ...(sort === "" ? {} : { sort }) };
}

export function rowsOf({ rows, cells, columns, depth, inside, open }: Answer): Row[] {
  return rows.map((id, i) => ({ id, cells: columns.map((column) => cells[column.id][i]), depth: depth?.[i] ?? 0, inside: inside?.[i] ?? false, open: open?.[i] ?? false }));
}

/** The order that a click on a column's head asks for: the largest first, then the least, then the table's own. */
export function nextSort({ id, kind, signed }: Column, now: string): string {
  const ways = signed ? [`~${id}`, `-${id}`, id] : kind === "text" ? [id, `-${id}`] : [`-${id}`, id];
  return ways[ways.indexOf(now) + 1] ?? (ways.includes(now) ? "" : ways[0]);
}

export async function fetchAnswer(chosen: Chosen, { route, params }: Source, more: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(address(route, chosen, { ...params, ...more }), { cache: "no-cache", signal });
  return (await checked(response)).json() as Promise<Answer>;
}

export async function fetchFile(chosen: Chosen, { file, params }: Source, more: Readonly<Record<string, string>>): Promise<Blob> {
  return (await checked(await fetch(address(file, chosen, { ...params, ...more })))).blob();
}

/** Something that a row is made of: a kernel that an operator launched, or shapes that it was called with. */
export interface Counted {
  name: string;
  calls: number;
  total: number;
}

export interface Stack {
  frames: readonly string[];
  calls: number;
  host_self: number;
  host_total: number;
  device_self: number;
  device_total: number;
}

/** All of a row; what a table's rows have not is absent. */
export interface Told {
  texts: Readonly<Record<string, string>>;
  stacks?: readonly Stack[];
  more_stacks?: number;
  kernels?: readonly Counted[];
  shapes?: readonly Counted[];
  operators?: readonly Counted[];
  launches?: readonly Counted[];
}
