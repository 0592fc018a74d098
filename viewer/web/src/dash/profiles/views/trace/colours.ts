/** What spans are drawn with. */
import { hueColour } from "../../../../chart/palette";
import { type Part, partColour } from "../../parts";

/** Hues of the palette that no part has. */
const [YELLOW, PINK] = [4, 5];

/** What kinds of events are a part of: these have its colour. */
const PARTS: Readonly<Record<string, Part>> = {
  kernel: "kernel",
  comm_kernel: "communication",
  comm_op: "communication",
  memcpy: "memcpy",
  memset: "memset",
  runtime: "runtime",
  driver: "runtime",
  cpu_op: "cpu",
  dataload: "dataloader",
};

const HUE: Readonly<Record<string, number>> = { compile: YELLOW, py_function: PINK, module: PINK };

/** What a person calls a kind. */
export const KIND_TITLES: Readonly<Record<string, string>> = {
  other: "other",
  kernel: "kernel",
  comm_kernel: "communication kernel",
  memcpy: "copy",
  memset: "fill",
  device_annotation: "annotation on the device",
  device_sync: "wait of the device",
  runtime: "runtime call",
  driver: "driver call",
  cpu_op: "operator",
  comm_op: "communication",
  annotation: "annotation",
  step: "step",
  dataload: "waiting for data",
  compile: "compiling",
  py_function: "Python function",
  module: "module",
};

export const kindColour = (kind: string, dark: boolean): string => {
  const part = Object.hasOwn(PARTS, kind) ? PARTS[kind] : null;
  return !part && Object.hasOwn(HUE, kind) ? hueColour(HUE[kind], dark) : partColour(part ?? "other", dark);
};

function channels(hex: string): number[] {
  const long = hex.length === 4 ? [1, 2, 3].map((at) => hex[at] + hex[at]) : [1, 3, 5].map((at) => hex.slice(at, at + 2));
  return long.map((part) => Number.parseInt(part, 16));
}

/** So much of the first colour in the second; both #rgb or #rrggbb. */
export function mixed(colour: string, into: string, share: number): string {
  const [a, b] = [channels(colour), channels(into)];
  return `#${a.map((one, i) => Math.round(one * share + b[i] * (1 - share)).toString(16).padStart(2, "0")).join("")}`;
}

export interface Paper {
  bg: string;
  panel: string;
  raise: string;
  line: string;
  edge: string;
  ink: string;
  ink2: string;
  ink3: string;
  accent: string;
  font: string;
  dark: boolean;
}

export function paperOf(dark: boolean): Paper {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return { bg: token("bg"), panel: token("panel"), raise: token("raise"), line: token("line"), edge: token("edge"), ink: token("ink"), ink2: token("ink2"), ink3: token("ink3"), accent: token("accent"), font: token("font"), dark };
}

export const SHADES = 4;
export const SHARES = 4;

/** The colours of a kind: neighbours of one kind differ a little; how full a block is shows. */
export interface Fill {
  /** By shade; of what a search leaves out, and of what it finds. */
  span: readonly string[];
  dim: string;
  hit: string;
  /** By the quarter of its time that is covered. */
  block: readonly string[];
}

export function fillsOf(kinds: readonly string[], paper: Paper): Fill[] {
  const [least, most] = paper.dark ? [0.4, 0.58] : [0.3, 0.46];
  return kinds.map((kind) => {
    const colour = kindColour(kind, paper.dark);
    const of = (share: number): string => mixed(colour, paper.bg, share);
    return {
      span: Array.from({ length: SHADES }, (_, i) => of(least + ((most - least) * i) / (SHADES - 1))),
      dim: of(0.13),
      hit: of(paper.dark ? 0.9 : 0.55),
      block: Array.from({ length: SHARES }, (_, i) => of(0.22 + ((most + 0.08 - 0.22) * (i + 1)) / SHARES)),
    };
  });
}

/** The same shade for the same name, whatever else is on the screen. */
export function shadeOf(name: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16_777_619);
  return ((hash >>> 13) ^ hash) & (SHADES - 1);
}
