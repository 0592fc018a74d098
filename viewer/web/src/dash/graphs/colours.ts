/** What colour says of a graph's nodes and namespaces. */
import { ramp } from "../../app/runs/ramp";
import { HUES, hueColour } from "../../chart/palette";
import { ADDED, CHANGED, REMOVED } from "./compare";
import type { Model, Measure } from "./model";
import { bytes, count, time, value } from "./numbers";
import type { Colour } from "./settings";
import type { GraphData } from "./wire";

/** A sign of the legend: a colour, what it stands for, and how many nodes or namespaces have it. */
export interface Sign {
  colour: string;
  label: string;
  many: number;
}

export interface Painting {
  /** Of each node and namespace; "" for none. */
  of: readonly string[];
  signs: readonly Sign[];
  /** Where colours are a scale: what its ends stand for, and its colours from one to the other. */
  scale: { from: string; to: string; colours: readonly string[]; kind: string } | null;
  /** Why there is no colour to be seen; "" where there is. */
  without: string;
}

export const TITLES: Record<Colour, string> = {
  structure: "Structure",
  op: "Operation",
  device: "Device",
  nanoseconds: "Time",
  bytes: "Memory",
  parameters: "Parameters",
  flops: "FLOPs",
  gradients: "Gradient norm",
  weights: "Weight norm",
  activations: "Activation health",
  difference: "Difference",
};

const SAYS: Record<Measure, (value: number) => string> = { parameters: count, flops: count, nanoseconds: time, bytes };
const STOPS = 12;

/** Green, amber and red would be one to many eyes: signs stand beside these. */
const DIFFERENCES = { [ADDED]: 2, [REMOVED]: 8, [CHANGED]: 1 } as const;
export const MARKS: Record<number, string> = { [ADDED]: "+", [REMOVED]: "−", [CHANGED]: "~" };
const NAMED: Record<number, string> = { [ADDED]: "+ only here", [REMOVED]: "− only in the other", [CHANGED]: "~ changed" };

export function differenceColour(status: number, dark: boolean): string {
  return status === ADDED || status === REMOVED || status === CHANGED ? hueColour(DIFFERENCES[status], dark) : "";
}

/** Each kind's hue, the most frequent first; kinds beyond the hues have none. */
function byKind(model: Model, kindOf: (id: number) => string, dark: boolean, nodesOnly: boolean): Pick<Painting, "of" | "signs"> {
  const many = new Map<string, number>();
  for (let id = 0; id < (nodesOnly ? model.n : model.count); id++) {
    const kind = id === model.root ? "" : kindOf(id);
    if (kind) many.set(kind, (many.get(kind) ?? 0) + 1);
  }
  const kinds = [...many].sort((a, b) => b[1] - a[1]).slice(0, HUES.length);
  const hue = new Map(kinds.map(([kind], i) => [kind, hueColour(i, dark)]));
  const of = Array.from({ length: model.count }, (_, id) => hue.get(id === model.root ? "" : kindOf(id)) ?? "");
  return { of, signs: kinds.map(([label, found]) => ({ label, many: found, colour: hue.get(label) ?? "" })) };
}

/** Namespaces that are built alike, those first that stand for most. */
function byStructure(model: Model, classes: Int32Array, many: ReadonlyMap<number, number>, dark: boolean): Pick<Painting, "of" | "signs"> {
  const found = new Map<number, number[]>();
  for (let id = model.n + 1; id < model.count; id++) {
    if ((many.get(classes[id]) ?? 0) < 2) continue;
    const some = found.get(classes[id]);
    if (some) some.push(id);
    else found.set(classes[id], [id]);
  }
  const ranked = [...found.values()].sort((a, b) => b.length * model.size(b[0]) - a.length * model.size(a[0]) || a[0] - b[0]);
  const of = new Array<string>(model.count).fill("");
  const signs = ranked.map((some, i) => {
    const colour = hueColour(i, dark);
    for (const id of some) of[id] = colour;
    return { colour, label: together(model, some), many: some.length };
  });
  return { of, signs: signs.slice(0, 2 * HUES.length) };
}

/** What namespaces of a class are called: "l1/0 … 2" where they lie in one, else by their last names. */
function together(model: Model, some: readonly number[]): string {
  const names = [...new Set(some.map((id) => model.label[id]))];
  const parents = new Set(some.map((id) => model.parent[id]));
  const parent = model.parent[some[0]];
  const within = parents.size === 1 && parent !== model.root ? `${model.label[parent]}/` : "";
  return within + (names.length > 2 ? `${names[0]} … ${names[names.length - 1]}` : names.join(", "));
}

/** Each kind of a namespace's nodes, where they all are of one. */
function common(model: Model, kindOf: (leaf: number) => string): (id: number) => string {
  const known = new Map<number, string>();
  return (id) => {
    if (id < model.n) return kindOf(id);
    let found = known.get(id);
    if (found === undefined) {
      const leaves = model.leaves(id);
      const first = leaves.length > 0 ? kindOf(leaves[0]) : "";
      known.set(id, (found = leaves.every((leaf) => kindOf(leaf) === first) ? first : ""));
    }
    return found;
  };
}

/** By a number, NaN for none; nodes and namespaces share the scale, which is a logarithm's where numbers differ by far. */
export function byNumber(numbers: Float64Array, top: number, dark: boolean, says: (value: number) => string): Pick<Painting, "of" | "scale" | "without"> {
  const known = numbers.filter((one, id) => id !== top && one > 0 && Number.isFinite(one)).sort();
  const [least, most] = [known[0], known[known.length - 1]];
  const flat = known.length === 0 || least === most;
  const bent = !flat && most / least > 50;
  // Of numbers that differ by far, the smallest matter least.
  const from = bent ? Math.max(least, most / 1e4) : 0;
  const place = (one: number): number => (flat ? 1 : bent ? Math.max(0, Math.log(one / from) / Math.log(most / from)) : one / most);
  const of = Array.from(numbers, (one, id) => {
    if (id === top || Number.isNaN(one)) return "";
    if (!Number.isFinite(one)) return hueColour(8, dark);
    return one > 0 || !bent ? ramp(one > 0 ? place(one) : 0, dark) : "";
  });
  if (known.length === 0) return { of: of.map((colour, id) => (Number.isFinite(numbers[id]) && !Number.isNaN(numbers[id]) ? "" : colour)), scale: null, without: "" };
  return { of, scale: { from: bent && from > least ? `≤ ${says(from)}` : says(from), to: says(most), kind: bent ? "logarithmic" : "", colours: Array.from({ length: STOPS }, (_, i) => ramp(i / (STOPS - 1), dark)) }, without: "" };
}

export interface Facts {
  model: Model;
  data: GraphData;
  classes: Int32Array | null;
  many: ReadonlyMap<number, number>;
  status: Uint8Array | null;
  /** Of each node and namespace, by the series that colour is by. */
  health: Float64Array | null;
}

const EMPTY = { signs: [], scale: null, without: "" } as const;

/** The worst that a namespace holds: one that is all the same counts as the same. */
export function statusOf(model: Model, status: Uint8Array): Uint8Array {
  const found = new Uint8Array(model.count);
  found.set(status);
  for (let id = model.count - 1; id >= model.n; id--) {
    const inner = new Set(Array.from(model.children(id), (child) => found[child]));
    found[id] = inner.size === 1 ? [...inner][0] : CHANGED;
  }
  return found;
}

function byDifference({ model, status }: Facts, dark: boolean): Painting {
  if (!status) return { ...EMPTY, of: new Array<string>(model.count).fill(""), without: "Choose a graph to compare with." };
  const of = Array.from(statusOf(model, status), (one) => differenceColour(one, dark));
  const signs = [ADDED, REMOVED, CHANGED].map((one) => ({ colour: differenceColour(one, dark), label: NAMED[one], many: status.filter((other) => other === one).length }));
  return { ...EMPTY, of, signs };
}

/** The colours of all nodes and namespaces. */
export function painted(facts: Facts, by: Colour, dark: boolean): Painting {
  const { model, data, classes, many, health } = facts;
  const none = new Array<string>(model.count).fill("");
  if (by === "difference") return byDifference(facts, dark);
  if (by === "structure") {
    if (!classes) return { ...EMPTY, of: none };
    const found = byStructure(model, classes, many, dark);
    return { ...EMPTY, ...found, without: found.signs.length === 0 ? "No two namespaces are built alike." : "" };
  }
  if (by === "op") return { ...EMPTY, ...byKind(model, common(model, (leaf) => data.op[leaf]), dark, true) };
  if (by === "device") {
    const found = byKind(model, common(model, (leaf) => data.devices[data.device[leaf]] ?? ""), dark, true);
    return { ...EMPTY, ...found, without: found.signs.length === 0 ? "The graph says nothing of devices." : "" };
  }
  if (by === "gradients" || by === "weights" || by === "activations") {
    if (!health || health.every(Number.isNaN)) return { ...EMPTY, of: none, without: `The run has no series of ${TITLES[by].toLowerCase()} by module.` };
    return { ...EMPTY, ...byNumber(health, model.root, dark, value) };
  }
  const sums = model.totals[by];
  if (!sums) return { ...EMPTY, of: none, without: `Nothing is known of ${by === "nanoseconds" ? "the time of" : by === "bytes" ? "the memory of" : `the ${TITLES[by]} of`} any node.` };
  return { ...EMPTY, ...byNumber(sums, model.root, dark, SAYS[by]) };
}
