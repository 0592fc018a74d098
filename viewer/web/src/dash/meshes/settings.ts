/** How meshes are shown: the address keeps it. */
import { choice, flag, json, number, setting, type Codec } from "../../app/setting.svelte";
import { isPose, USUAL, type Pose } from "./camera";

/** A step, or null for each series' last. */
const stepOrLast: Codec<number | null> = {
  decode: ([first]) => (first !== undefined && first.trim() !== "" && Number.isFinite(Number(first)) ? Number(first) : null),
  encode: (value) => (value === null ? [] : [String(value)]),
};

export const STYLES = ["surface", "edges", "wire", "points"] as const;
export type Style = (typeof STYLES)[number];
export const SHADES = ["smooth", "flat", "plain"] as const;
export type Shade = (typeof SHADES)[number];

/** Whether one slider moves all cards. */
export const together = setting("mssync", flag, true);
/** Where that slider stands. */
export const at = setting("msat", stepOrLast, null);
/** Whether all cards are looked at from the same place. */
export const linked = setting("mslink", flag, true);
/** That place. */
export const pose = setting<Pose>("mscam", json(isPose), USUAL);
/** Whether meshes of one name are drawn to the same scale in all runs and steps, and not each as large as fits. */
export const scaled = setting("msscale", flag, true);
export const style = setting("msdraw", choice(STYLES), "surface");
export const shading = setting("msshade", choice(SHADES), "smooth");
/** Whether a training's own camera, lights and material are taken. */
export const theirs = setting("mscfg", flag, true);
/** Pixels across. */
export const pointSize = setting("mspoint", number(1, 20), 3);
export const colours = setting("mscolor", flag, true);
export const axes = setting("msaxes", flag, false);
export const grid = setting("msgrid", flag, false);
export const box = setting("msbox", flag, false);
/** Which axis points up. */
export const up = setting("msup", choice(["y", "z"] as const), "y");
/** Whether what is farther looks as large as what is near. */
export const parallel = setting("msortho", flag, false);
