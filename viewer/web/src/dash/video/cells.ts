import type { Moment } from "../../data/moments";

/** Where a video is kept: in a plugin of its own, or as a picture that moves. */
export type Plugin = "video" | "images";

/** One series in a card. */
export interface Cell {
  plugin: Plugin;
  run: string;
  tag: string;
  label: string;
}

export interface Spec {
  id: string;
  title: readonly [string, string, string];
  cells: readonly Cell[];
}

/** Names one video for good: together with the step the wall time tells a value from one that took its place. */
export interface Place extends Moment {
  plugin: Plugin;
  run: string;
  tag: string;
  n: number;
}

/** Steps that are laid out side by side; of more, the last ones. */
export const MOST_ALONG = 200;
