import { Marks } from "./marks";
import { ALL, type Selection } from "./selection";

export const AXES = ["step", "relative", "wall"] as const;
export type Axis = (typeof AXES)[number];

export const RISES = ["linear", "log", "symlog"] as const;
export type Rise = (typeof RISES)[number];

export const DEFAULT_SMOOTHING = 0.6;
export const MAX_SMOOTHING = 0.99;

/** Letters that names of runs may take in an address; more than that, and marks stand for them. */
const MOST_NAMES = 1_500;

/** What an address holds: everything a person set, and nothing of the data. */
export interface Saved {
  dash: string;
  runs: string;
  tags: string;
  smoothing: number;
  axis: Axis;
  /** How values go up a chart. */
  rise: Rise;
  /** Whether steps and seconds are drawn by their logarithm. */
  bent: boolean;
  /** Whether points that a restart has voided are shown. */
  superseded: boolean;
  selection: Selection;
  folded: readonly string[];
  wide: readonly string[];
}

export const FRESH: Saved = {
  dash: "scalars",
  runs: "",
  tags: "",
  smoothing: DEFAULT_SMOOTHING,
  axis: "step",
  rise: "linear",
  bent: false,
  superseded: false,
  selection: ALL,
  folded: [],
  wide: [],
};

/** The keys that `Saved` takes; all others belong to settings. */
export const SAVED_KEYS: ReadonlySet<string> = new Set(
  ["dash", "runs", "tags", "smoothing", "x", "y", "xlog", "superseded", "only", "off", "only-marks", "off-marks", "fold", "wide"],
);

/** The part after "#", without it; what has its usual value is left out. */
export function encode(state: Saved): string {
  return written(state).toString();
}

/** The same, for more to be added. */
export function written(state: Saved): URLSearchParams {
  const params = new URLSearchParams();
  if (state.dash !== FRESH.dash) params.set("dash", state.dash);
  if (state.runs) params.set("runs", state.runs);
  if (state.tags) params.set("tags", state.tags);
  if (state.smoothing !== FRESH.smoothing) params.set("smoothing", String(state.smoothing));
  if (state.axis !== FRESH.axis) params.set("x", state.axis);
  if (state.rise !== FRESH.rise) params.set("y", state.rise);
  if (state.bent) params.set("xlog", "1");
  if (state.superseded) params.set("superseded", "1");
  writeSelection(params, state.selection);
  for (const group of [...state.folded].sort()) params.append("fold", group);
  for (const tag of [...state.wide].sort()) params.append("wide", tag);
  return params;
}

function writeSelection(params: URLSearchParams, { mode, names }: Selection): void {
  const key = mode === "only" ? "only" : "off";
  const marks = names instanceof Marks ? names : sizeOf(names) > MOST_NAMES ? Marks.of(names) : null;
  if (marks && marks.size > 0) params.set(`${key}-marks`, marks.text);
  // No run is named "", so an empty "only" can stand for "none of them".
  else if (mode === "only" && names.size === 0) params.set("only", "");
  else if (!(names instanceof Marks)) for (const name of [...names].sort()) params.append(key, name);
}

/** Letters that these names would take. */
function sizeOf(names: ReadonlySet<string>): number {
  let size = 0;
  for (const name of names) size += name.length + 5;
  return size;
}

function readSelection(params: URLSearchParams): Selection {
  for (const [key, mode] of [["only-marks", "only"], ["off-marks", "except"]] as const) {
    const names = Marks.read(params.get(key) ?? "");
    if (names) return { mode, names };
  }
  const only = params.has("only");
  const names = params.getAll(only ? "only" : "off").filter((name) => name !== "");
  return { mode: only ? "only" : "except", names: new Set(names) };
}

/** Reads any text at all: what cannot be understood keeps its usual value. */
export function decode(hash: string): Saved {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const smoothing = Number.parseFloat(params.get("smoothing") ?? "");
  const axis = AXES.find((name) => name === params.get("x"));
  return {
    dash: params.get("dash") || FRESH.dash,
    runs: params.get("runs") ?? "",
    tags: params.get("tags") ?? "",
    smoothing: Number.isFinite(smoothing) ? Math.min(MAX_SMOOTHING, Math.max(0, smoothing)) : FRESH.smoothing,
    axis: axis ?? FRESH.axis,
    rise: RISES.find((name) => name === params.get("y")) ?? FRESH.rise,
    bent: params.get("xlog") === "1",
    superseded: params.get("superseded") === "1",
    selection: readSelection(params),
    folded: params.getAll("fold"),
    wide: params.getAll("wide"),
  };
}
