import { getContext, setContext } from "svelte";
import type { Values } from "../../data/values.svelte";
import type { Frames } from "./graphics.svelte";
import type { Meshes } from "./held.svelte";

/** What all parts of the dashboard work with. */
export interface Desk {
  values: Values;
  meshes: Meshes;
  frames: Frames;
}

const KEY = Symbol("meshes");

export function provideDesk(desk: Desk): Desk {
  setContext(KEY, desk);
  return desk;
}

export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}
