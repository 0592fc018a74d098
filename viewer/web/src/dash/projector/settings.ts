/** What is seen of an embedding, and how: the address keeps it. */
import { choice, flag, number, setting, text, texts, type Codec } from "../../app/setting.svelte";
import { heard, said, type Camera } from "./camera";
import { heardRows, saidRows } from "./ranges";

export const WAYS = ["pca", "umap", "tsne", "axes"] as const;
export type Way = (typeof WAYS)[number];
export const METRICS = ["cosine", "euclidean"] as const;
export type Metric = (typeof METRICS)[number];
export const TOOLS = ["move", "box", "lasso"] as const;
export type Tool = (typeof TOOLS)[number];
export const SHADES = ["auto", "categories", "scale"] as const;

/** Rows are kept where their numbers are not too long for an address. */
const LONGEST_ROWS = 1_500;
const rows: Codec<readonly number[]> = {
  decode: ([first]) => (first === undefined ? null : first === "" ? [] : heardRows(first)),
  encode: (value) => {
    const found = saidRows(value);
    return value.length === 0 || found.length > LONGEST_ROWS ? [] : [found];
  },
};
const row: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && /^\d{1,9}$/.test(first) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};
const place: Codec<Camera | null> = {
  decode: ([first]) => (first === undefined ? null : heard(first)),
  encode: (value) => (value === null ? [] : [said(value)]),
};

/** Run and name of the embedding, "" for the first there is. */
export const run = setting("pjrun", text, "");
export const name = setting("pjname", text, "");
export const way = setting<Way>("pj", choice(WAYS), "pca");
export const flat = setting("pjflat", flag, false);
export const spherical = setting("pjsphere", flag, false);
/** The components of PCA that lie along each axis, from 1. */
export const components = setting<readonly string[]>("pjpc", texts, ["1", "2", "3"]);
export const neighbours = setting("pjnear", number(2, 100), 15);
export const spread = setting("pjdist", number(0, 0.99), 0.1);
export const perplexity = setting("pjperp", number(2, 100), 30);
/** 0: as the server thinks best for so many points. */
export const rate = setting("pjrate", number(0, 10_000), 0);
/** What lies along each axis of one's own: "" nothing, "d5" a dimension, "c:name" a column, "q:one\nother" two searches. */
export const across = setting("pjx", text, "d0");
export const up = setting("pjy", text, "d1");
export const deep = setting("pjz", text, "");
/** A column; "" for the first that has few values, "-" for none. */
export const colourBy = setting("pjcolour", text, "");
export const shades = setting<(typeof SHADES)[number]>("pjshades", choice(SHADES), "auto");
/** The values of that column that stand out; none: all do. */
export const only = setting<readonly string[]>("pjonly", texts, []);
export const labelBy = setting("pjlabel", text, "");
export const labels = setting("pjlabels", flag, false);
export const pictures = setting("pjpics", flag, true);
export const size = setting("pjsize", number(0.25, 4), 1);
export const query = setting("pjq", text, "");
export const regex = setting("pjregex", flag, false);
/** The column that is searched, "" for all. */
export const searched = setting("pjin", text, "");
export const point = setting<number | null>("pjpoint", row, null);
export const count = setting("pjk", number(1, 999), 20);
export const metric = setting<Metric>("pjmetric", choice(METRICS), "cosine");
export const picked = setting<readonly number[]>("pjrows", rows, []);
/** The rows that are left while all others are out of the way; none: all are there. */
export const alone = setting<readonly number[]>("pjalone", rows, []);
export const tool = setting<Tool>("pjtool", choice(TOOLS), "move");
export const camera = setting<Camera | null>("pjview", place, null);
