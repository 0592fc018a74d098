import type { Smoothing } from "../chart/smooth";
import type { BucketAxis } from "./buckets";
import { decodeFrame, type Tail } from "./wire";

export interface RunWarning {
  kind: string;
  count: number;
  message: string;
}

export interface Run {
  name: string;
  first_wall_time: number | null;
  last_wall_time: number | null;
  warnings: RunWarning[];
}

export type LogdirState = "waiting" | "loading" | "ready";

/** What GET api/runs answers. */
export interface Index {
  version: number;
  logdir: string;
  state: LogdirState;
  title: string;
  /** Whether anything may be changed through the server; absent, as before the first answer, means no. */
  writable?: boolean;
  runs: Run[];
  series: Partial<Record<string, Counted>>;
  /** The same of series of which a restart voided every point; absent where there are none. */
  voided?: Partial<Record<string, Counted>>;
}

/** By tag: runs and how many points. */
type Counted = Record<string, [run: number, points: number, generation?: number][]>;

export interface Wanted {
  run: string;
  tag: string;
  since: number;
  /** Of which generation `since` counts points; any, when left out. */
  generation?: number;
  /** With the points that a restart has voided. */
  superseded?: true;
  /** In how many buckets a long series is wanted, and of what part of it. */
  buckets?: { count: number; x: BucketAxis; log?: true; lo?: number; hi?: number };
  smooth?: Smoothing;
}

/** The server answered, and said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The response, if the server said yes. */
export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  let reason = response.statusText;
  try {
    reason = ((await response.json()) as { error?: string }).error ?? reason;
  } catch {
    // Not our server's kind of answer; its status line has to do.
  }
  throw new Refused(response.status, reason);
}

/** What theme-first.js asked for before this was loaded, once. */
function firstIndex(): Promise<Response> | undefined {
  const page = globalThis as { firstIndex?: Promise<Response> | undefined };
  const { firstIndex } = page;
  page.firstIndex = undefined;
  return firstIndex;
}

/** `fresh` passes the browser's cache by: versions mean nothing across a server's restart. `wait`: seconds for the server to read all. */
export async function fetchIndex(fresh: boolean, wait = 0): Promise<Index> {
  const path = `./api/runs${wait ? `?wait=${wait}` : ""}`;
  const response = await (firstIndex() ?? fetch(path, { cache: fresh ? "no-store" : "no-cache" }));
  return (await checked(response)).json() as Promise<Index>;
}

export async function fetchScalars(series: readonly Wanted[]): Promise<Tail[]> {
  const response = await fetch("./api/scalars", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ series }),
  });
  return decodeFrame(await (await checked(response)).arrayBuffer());
}
