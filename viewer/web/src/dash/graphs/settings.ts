/** What is seen of a graph, and how: the address keeps it. */
import { choice, flag, json, setting, text, type Codec } from "../../app/setting.svelte";
import { heardOpen, saidOpen } from "./opened";
import type { Which } from "./wire";

export const COLOURS = ["structure", "op", "device", "nanoseconds", "bytes", "parameters", "flops", "gradients", "weights", "activations", "difference"] as const;
export type Colour = (typeof COLOURS)[number];
export const TRACES = ["none", "up", "down", "both"] as const;
export const TABS = ["node", "outline", "found", "changes"] as const;
export type Tab = (typeof TABS)[number];

/** Names of open namespaces are kept where they are not too long for an address. */
const LONGEST = 1_800;
const open: Codec<readonly string[] | null> = {
  decode: ([first]) => (first === undefined ? null : heardOpen(first)),
  encode: (value) => {
    const said = value === null ? "" : saidOpen(value);
    return value === null || said.length > LONGEST ? [] : [said];
  },
};

const isWhich = (value: unknown): value is Which | null =>
  value === null ||
  (typeof value === "object" &&
    ["run", "tag", "kind", "record"].every((key) => typeof (value as Record<string, unknown>)[key] === "string") &&
    ["undefined", "number"].includes(typeof (value as Which).number));

const step: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && first.trim() !== "" && Number.isFinite(Number(first)) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

/** Which graph: its run, tag, kind and record of what nodes cost; null for the first there is. */
export const which = setting<Which | null>("gfgraph", json(isWhich), null);
/** The graph that it is compared with. */
export const other = setting<Which | null>("gfwith", json(isWhich), null);
/** The open namespaces; null for as many as fit well. */
export const opened = setting<readonly string[] | null>("gfopen", open, null);
/** The node or namespace that is looked at. */
export const selected = setting("gfnode", text, "");
export const colour = setting<Colour>("gfcolour", choice(COLOURS), "structure");
export const query = setting("gfq", text, "");
export const regex = setting("gfregex", flag, false);
/** Whether what the chosen node reads and what reads it stands out. */
export const trace = setting<(typeof TRACES)[number]>("gftrace", choice(TRACES), "none");
/** The other end of the paths that stand out. */
export const until = setting("gfto", text, "");
export const aside = setting("gfaside", flag, true);
export const labels = setting("gflabels", flag, true);
/** The step of the values of modules; null for the last. */
export const at = setting<number | null>("gfstep", step, null);
export const tab = setting<Tab>("gftab", choice(TABS), "node");
export const panel = setting("gfpanel", flag, true);
export const map = setting("gfmap", flag, true);
