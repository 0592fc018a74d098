import type { Group } from "./groups";
import { pins } from "./settings";

/** Where pinned cards stand; no tag can be called that. */
export const PINNED = "\0pinned";

/** Pinned cards that are there, as a group in front of those that `rest` makes of all others. */
export function pinnedFirst(isThere: (id: string) => boolean, rest: (isOther: (id: string) => boolean) => Group[]): Group[] {
  const pinned = pins.value.filter(isThere);
  const onTop = new Set(pinned);
  const others = rest((id) => !onTop.has(id)).filter(({ tags }) => tags.length > 0);
  return pinned.length > 0 ? [{ name: PINNED, title: "Pinned", tags: pinned }, ...others] : others;
}
