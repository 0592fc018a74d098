/** How pictures are shown: the address keeps it. */
import { choice, flag, json, number, setting, type Codec } from "../../app/setting.svelte";

/** A step, or null for each series' last. */
const stepOrLast: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && first.trim() !== "" && Number.isFinite(Number(first)) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

export const ARRANGEMENTS = ["tags", "runs", "steps"] as const;
export type Arrangement = (typeof ARRANGEMENTS)[number];

/** What a card is: a tag with its runs side by side, a run with its tags, or a tag with its runs down and their steps along. */
export const arrangement = setting("imby", choice(ARRANGEMENTS), "tags");
/** Whether one slider moves all cards. */
export const together = setting("imsync", flag, true);
/** Where that slider stands. */
export const at = setting("imat", stepOrLast, null);
/** Per cent. */
export const brightness = setting("imbright", number(0, 300), 100);
export const contrast = setting("imcontrast", number(0, 500), 100);
/** Whether a pixel of a picture is one of the page, instead of the picture as large as its place. */
export const actual = setting("imactual", flag, false);
/** Whether enlarged pixels are blended into each other. */
export const blended = setting("imblend", flag, false);
/** Whether each picture's darkest value is drawn black and its brightest white. */
export const stretched = setting("imstretch", flag, false);
/** Whether a zoom of one picture is one of all. */
export const linked = setting("imlink", flag, true);

export const MODES = ["one", "beside", "difference", "flicker", "onion", "swipe"] as const;
export type Mode = (typeof MODES)[number];

/** One picture to look at: of a series, and which of a step's. */
export interface Spot {
  run: string;
  tag: string;
  n: number;
}

/** What the magnifier shows; `other` may stand at a step of its own. */
export interface Look extends Spot {
  mode: Mode;
  other?: Spot & { step?: number };
}

function isSpot(value: unknown): value is Spot {
  const { run, tag, n } = (value ?? {}) as Record<string, unknown>;
  return typeof run === "string" && typeof tag === "string" && Number.isInteger(n) && (n as number) >= 0;
}

function isLook(value: unknown): value is Look | null {
  if (value === null) return true;
  if (!isSpot(value)) return false;
  const { mode, other } = value as Partial<Look>;
  const step = other?.step;
  return MODES.some((one) => one === mode) && (other === undefined || (isSpot(other) && (step === undefined || Number.isFinite(step))));
}

export const look = setting<Look | null>("imlook", json(isLook), null);
