import { checked } from "./api";

/** What people say of a run; all of it may be left out. */
export interface RunNote {
  title?: string;
  note?: string;
  tags?: string[];
  /** As in "#1f77b4", small letters. */
  colour?: string;
  pinned?: boolean;
  hidden?: boolean;
}

export interface SavedView {
  /** The page's address behind its #. */
  hash: string;
  /** When, in seconds since 1970. */
  saved: number;
}

export interface Sections {
  runs: Record<string, RunNote>;
  views: Record<string, SavedView>;
  charts: Record<string, Record<string, unknown>>;
}

/** A JSON merge patch (RFC 7396): null removes, what is not named stays. */
export type Patch<T> = { [K in keyof T]?: (T[K] extends unknown[] ? T[K] : T[K] extends object ? Patch<T[K]> : T[K]) | null };

export type SidecarPatch = { [S in keyof Sections]?: Record<string, Patch<Sections[S][string]> | null> };

export interface SidecarAnswer {
  place: "logdir" | "user" | "off";
  path: string | null;
  writable: boolean;
  reason: string | null;
  version: number;
  sections: Sections;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** RFC 7396, section 2; neither argument is changed. Names are data: none of them reaches a prototype. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) out.delete(name);
    else out.set(name, mergePatch(out.get(name), value));
  }
  return Object.fromEntries(out);
}

export async function fetchSidecar(): Promise<SidecarAnswer> {
  const response = await fetch("./api/sidecar", { cache: "no-cache" });
  return (await checked(response)).json() as Promise<SidecarAnswer>;
}

export async function sendPatch(patch: SidecarPatch): Promise<SidecarAnswer> {
  const response = await fetch("./api/sidecar", {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(patch),
  });
  return (await checked(response)).json() as Promise<SidecarAnswer>;
}
