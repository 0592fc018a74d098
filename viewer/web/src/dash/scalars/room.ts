import { getContext, setContext } from "svelte";
import type { Joining } from "./lines";

/** What all cards of the board share. */
export interface Room {
  /** How runs that belong together are drawn as one; null where each is drawn by itself. */
  readonly joining: Joining | null;
}

const KEY = Symbol("room");

export function provideRoom(room: Room): void {
  setContext(KEY, room);
}

export function useRoom(): Room {
  return getContext<Room>(KEY);
}
