/** What the server says of profiles. Times are microseconds. */
import { checked, Refused } from "../../data/api";
import type { Part, Time } from "./parts";

/** Which profile: a run, and the trace's path below the run's directory. */
export interface Chosen {
  run: string;
  trace: string;
}

export interface Listed extends Chosen {
  bytes: number;
  /** Seconds since 1970, null where the path does not say. */
  recorded: number | null;
  worker: string;
  format: "chrome" | "xspace";
}

export interface Verdict {
  kind: "busy" | "input-bound" | "launch-bound" | "communication-bound" | "memory-pressed" | "compile-dominated" | "unknown";
  degree: "" | "highly" | "moderately";
  share: number;
  part: number;
  whole: number;
  unit: "us" | "bytes";
  counted: number;
  left_out: number;
  says: string;
  advice: readonly string[];
  /** Of a step, seen from its device. */
  times: Readonly<Record<Time, number>>;
}

type Sums = Readonly<Record<Part | "total", number>>;

export interface Broken {
  mean: Sums;
  median: Sums;
  counted: number;
}

export interface Device {
  device: number;
  name?: string;
  /** Bytes. */
  memory?: number;
  multiprocessors?: number;
  capability: string | null;
  utilisation?: number;
  busy?: number;
  computing?: number;
  communicating?: number;
  whole?: number;
  sm_efficiency?: number | null;
  /** Percent. */
  occupancy?: number | null;
  tensor_cores?: number | null;
}

export interface Overview extends Chosen {
  source: string;
  worker: string;
  rank: number | null;
  world: number | null;
  base: number | null;
  events: number;
  tracks: number;
  start: number;
  duration: number;
  verdict: Verdict;
  breakdown: { ours: Broken; tb_plugin: Broken };
  steps: { count: number; marked: boolean; warmup: number };
  devices: readonly Device[];
  options: Readonly<Record<string, string>>;
  skipped: Readonly<Record<string, number>>;
  has: Readonly<Record<"device" | "communication" | "memory" | "stacks" | "shapes" | "modules" | "operators" | "annotations" | "launches", boolean>>;
}

export interface StepColumns {
  categories: readonly Part[];
  /** How many neighbours stand as one. */
  each: number;
  count: number;
  marked: boolean;
  name: readonly string[];
  start: readonly number[];
  end: readonly number[];
  warmup: readonly boolean[];
  launched: readonly number[];
  time: Readonly<Record<Part, readonly number[]>>;
}

export interface Reading {
  state: "unread" | "reading" | "ready" | "failed";
  seconds: number;
  bytes: number;
}

/** The address of what a route says of a profile; `more` are other parameters of it. */
export function address(route: string, { run, trace }: Chosen, more: Readonly<Record<string, string>> = {}): string {
  return `./api/${route}?${new URLSearchParams({ run, trace, ...more }).toString()}`;
}

/** JSON that a route says of a profile. */
export async function ask<T>(route: string, chosen: Chosen, more: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<T> {
  const response = await fetch(address(route, chosen, more), { cache: "no-cache", signal: signal ?? null });
  return (await checked(response)).json() as Promise<T>;
}

export async function fetchProfiles(signal?: AbortSignal): Promise<Listed[]> {
  const response = await fetch("./api/profiles", { cache: "no-cache", signal: signal ?? null });
  return ((await (await checked(response)).json()) as { profiles: Listed[] }).profiles;
}

export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether the server answered that the file cannot be read, in distinction to one that did not answer. */
export const isUnreadable = (error: unknown): boolean => error instanceof Refused && error.status === 422;
