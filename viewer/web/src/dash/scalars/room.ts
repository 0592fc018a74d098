import { getContext, setContext } from "svelte";
import type { Composed } from "./charts.svelte";
import type { Joining } from "./lines";

/** What all cards of the board share. */
export interface Room {
  /** How runs that belong together are drawn as one; null where each is drawn by itself. */
  readonly joining: Joining | null;
  /** Asks what a chart of several tags is to hold. */
  compose: (chart: Partial<Composed>) => void;
}

const KEY = Symbol("room");

export function provideRoom(room: Room): void {
  setContext(KEY, room);
}

export function useRoom(): Room {
  return getContext<Room>(KEY);
}
