import { checked } from "../../data/api";
import { Batched } from "../../data/batched";

/** Names a value. */
export interface Named {
  plugin: string;
  run: string;
  tag: string;
  step: number;
  wall: number;
}

export interface Prose {
  kind: "text";
  /** Made harmless by the server. */
  html: string;
  raw: string;
  /** Length of the text, where `raw` is not all of it. */
  cut?: number;
  note?: string;
}

export interface Grid {
  kind: "table" | "confusion_matrix" | "cells";
  shape: number[];
  start: number;
  /** Rows that there are; `rows` may be some of them. */
  total: number;
  rows: string[][];
  /** Each cell's markdown as HTML, made harmless by the server. */
  html?: string[][];
  note?: string;
}

export interface Figure {
  kind: "html" | "plotly";
  /** What of it is not as it was meant. */
  note?: string;
  raw: string;
  cut?: number;
}

export interface Bad {
  kind: "bad";
  problem: string;
}

export type Told = Prose | Grid | Figure | Bad;

export interface Hit {
  tag: string;
  run: string;
  step: number;
  wall: number;
  count: number;
  before: string;
  match: string;
  after: string;
}

export interface Found {
  hits: Hit[];
  searched: number;
  unread: number;
  next: [tag: string, run: string, place: number] | null;
}

async function ask<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
  return (await (await checked(response)).json()) as T;
}

export interface Wanted {
  pattern: string;
  regex: boolean;
  case: boolean;
  runs: readonly string[];
  after?: Found["next"];
}

export function fetchHits(wanted: Wanted, signal: AbortSignal): Promise<Found> {
  return ask("./api/text/search", wanted, signal);
}

/** Where a figure's page is, or with "source" the file of any value. */
export function placeOf(what: "frame" | "source", { plugin, run, tag, step, wall }: Named): string {
  const query = new URLSearchParams({ plugin, run, tag, step: String(step), wall: String(wall) });
  return `./api/text/${what}?${query.toString()}`;
}

type Asked = Named & { start: number };

async function fetchTold(values: readonly Asked[]): Promise<Told[]> {
  const { values: told } = await ask<{ values: (Told | { problem: string })[] }>("./api/text", { values });
  return told.map((one) => ("problem" in one ? { kind: "bad", problem: one.problem } : one));
}

/** Texts, by their names and the row from which on a table is wanted. */
export class Texts {
  readonly #told: Batched<Asked, Told>;

  constructor(fetch: (values: readonly Asked[]) => Promise<readonly Told[]> = fetchTold) {
    this.#told = new Batched(fetch);
  }

  get({ plugin, run, tag, step, wall }: Named, start = 0): Promise<Told> {
    return this.#told.get({ plugin, run, tag, step, wall, start });
  }
}

/** The page's own. */
export const texts = new Texts();

/** A text or table as it was written, for a comparison. */
export function sourceOf(told: Told): string {
  if (told.kind === "bad") return "";
  return "rows" in told ? told.rows.map((row) => row.join("\t")).join("\n") : told.raw;
}
