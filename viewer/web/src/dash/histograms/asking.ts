/** What a card asks the server for: no more than its pixels show. */
import { checked } from "../../data/api";
import { decodeHistograms, type Found } from "./frame";
import { AXIS_PX, type Zoom } from "./scene";
import type { Axis, ViewKind } from "./settings";

export interface Named {
  run: string;
  tag: string;
}

export interface Question extends Zoom {
  series: readonly Named[];
  x: Axis;
  rows: number;
  bins: number;
  /** Of each end of the values, what share may lie beyond the picture; 0 where none does. */
  trim: number;
  superseded: boolean;
}

/** An answer, and what tells whether a later one would be another. */
export interface Answer {
  found: Found;
  etag: string;
}

/** Few sizes, so that cards a pixel wider ask for what the server has kept. */
const SIZES = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

function sized(wanted: number, most: number): number {
  return SIZES.find((size) => size >= Math.min(wanted, most)) ?? most;
}

/** How many rows and buckets a picture of so many pixels has. */
export function fineness(kind: ViewKind, width: number, height: number): { rows: number; bins: number } {
  const [wide, tall] = [Math.max(50, width - 60), Math.max(50, height - AXIS_PX)];
  switch (kind) {
    case "ridge":
      return { rows: sized(tall / 7, 64), bins: sized(wide / 3, 256) };
    case "overlay":
      return { rows: sized(48, 64), bins: sized(wide / 3, 256) };
    case "heat":
      return { rows: sized(wide / 2, 512), bins: sized(tall / 3, 192) };
    case "bands":
      return { rows: sized(wide / 2, 512), bins: sized(tall / 3, 96) };
  }
}

/** The answer to a question in JSON; null where it is the one that is known already. */
export async function fetchHistograms(question: string, known: string, signal: AbortSignal): Promise<Answer | null> {
  const response = await fetch("./api/histograms", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(known && { "If-None-Match": known }) },
    body: question,
    signal,
  });
  if (response.status === 304) return null;
  const found = decodeHistograms(await (await checked(response)).arrayBuffer());
  return { found, etag: response.headers.get("ETag") ?? "" };
}

/** The whole of one series as a file. */
export function exportAddress({ run, tag }: Named, format: "csv" | "json"): string {
  return `./api/histograms/export?${new URLSearchParams({ run, tag, format }).toString()}`;
}
