import { checked } from "../../data/api";
import type { Place } from "./cells";

/** What the server says of a video. */
export interface Facts {
  type: string;
  container: string;
  width: number;
  height: number;
  /** 0 where it cannot be told, as of the next two. */
  seconds: number;
  frames: number;
  rate: number;
  codec: string;
  sound: boolean;
  /** Seconds that each frame of a moving picture stays; empty for other kinds. */
  delays: readonly number[];
  flaw: string;
  bytes: number;
  /** Videos that the step has. */
  count: number;
}

function addressed(path: string, { plugin, run, tag, step, wall, n }: Place): string {
  // JSON, because a name may hold what no address can, such as half of a surrogate pair
  return `./api/${path}?of=${encodeURIComponent(JSON.stringify([plugin, run, tag, step, wall, n]))}`;
}

export function videoUrl(place: Place): string {
  return addressed("video", place);
}

export async function fetchFacts(place: Place, signal: AbortSignal): Promise<Facts> {
  return (await checked(await fetch(addressed("video/facts", place), { signal }))).json() as Promise<Facts>;
}

/** Which of these series of pictures move. */
export async function fetchMoving(series: readonly { run: string; tag: string }[]): Promise<boolean[]> {
  const body = JSON.stringify({ series });
  const response = await fetch("./api/video/moving", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return ((await (await checked(response)).json()) as { moving: boolean[] }).moving;
}

const EXTENSIONS: Record<string, string> = { MP4: "mp4", QuickTime: "mov", WebM: "webm", Matroska: "mkv", GIF: "gif", PNG: "png", WebP: "webp" };

export function extensionOf({ container }: Facts): string {
  return EXTENSIONS[container] ?? "bin";
}

/** As people say a size in bytes. */
export function sized(bytes: number): string {
  const [unit, by] = bytes >= 1e6 ? (["MB", 1e6] as const) : bytes >= 1e3 ? (["kB", 1e3] as const) : (["bytes", 1] as const);
  const value = bytes / by;
  return `${value < 10 && by > 1 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
