import { getContext, setContext } from "svelte";
import type { Values } from "../../data/values.svelte";
import type { Picture, Pictures } from "./pictures";
import { pixelsOf, type Pixels } from "./pixels";

/** What all parts of the dashboard work with. */
export interface Desk {
  values: Values;
  pictures: Pictures;
}

const KEY = Symbol("images");

export function provideDesk(desk: Desk): Desk {
  setContext(KEY, desk);
  return desk;
}

export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}

const decoded = new WeakMap<Picture, Promise<Pixels | null>>();

/** The numbers of a picture, decoded once. */
export function numbersOf(picture: Picture): Promise<Pixels | null> {
  let found = decoded.get(picture);
  if (!found) decoded.set(picture, (found = pixelsOf(picture.blob, picture.width, picture.height).catch(() => null)));
  return found;
}
