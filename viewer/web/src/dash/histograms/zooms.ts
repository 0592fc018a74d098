/** What cards are zoomed to, which the address keeps. A place on another axis means nothing, so each axis has its own. */
import type { Codec } from "../../app/setting.svelte";
import { isWhole, WHOLE, type Zoom } from "./scene";

export interface Zoomed {
  card: string;
  axis: string;
  zoom: Zoom;
}

/** More would be too much for an address: the oldest go first. */
export const MOST_ZOOMS = 30;

function isEnd(value: unknown): value is number | null {
  return value === null || (typeof value === "number" && Number.isFinite(value));
}

/** Ends come in pairs, the lesser first; one step is a part of an axis, one value is none of the values. */
function isPart({ first, last, low, high }: Zoom): boolean {
  const there = first === null || last === null ? first === last : first <= last;
  return there && (low === null || high === null ? low === high : low < high);
}

function decoded(text: string): Zoomed | null {
  try {
    const said: unknown = JSON.parse(text);
    if (!Array.isArray(said) || said.length !== 6) return null;
    const [card, axis, ...ends] = said as unknown[];
    if (typeof card !== "string" || typeof axis !== "string" || !ends.every(isEnd)) return null;
    const zoom = { first: ends[0], last: ends[1], low: ends[2], high: ends[3] };
    return isPart(zoom) ? { card, axis, zoom } : null;
  } catch {
    return null;
  }
}

export const zoomCodec: Codec<readonly Zoomed[]> = {
  decode: (texts) => texts.flatMap((text) => decoded(text) ?? []).slice(-MOST_ZOOMS),
  encode: (all) => all.map(({ card, axis, zoom: { first, last, low, high } }) => JSON.stringify([card, axis, first, last, low, high])),
};

export function zoomOf(all: readonly Zoomed[], card: string, axis: string): Zoom {
  return all.find((one) => one.card === card && one.axis === axis)?.zoom ?? WHOLE;
}

export function withZoom(all: readonly Zoomed[], card: string, axis: string, zoom: Zoom): readonly Zoomed[] {
  const others = all.filter((one) => one.card !== card || one.axis !== axis);
  return isWhole(zoom) ? others : [...others, { card, axis, zoom }].slice(-MOST_ZOOMS);
}
