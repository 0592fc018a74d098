import { getContext, setContext } from "svelte";
import type { Board } from "../data/board.svelte";
import type { Density } from "./density.svelte";
import type { Theme } from "./theme.svelte";
import type { View } from "./view.svelte";
import type { Views } from "./views.svelte";

/** What every part of the page may use. */
export interface App {
  board: Board;
  view: View;
  theme: Theme;
  density: Density;
  views: Views;
}

const KEY = Symbol("tallyboard");

export function provideApp(app: App): void {
  setContext(KEY, app);
}

export function useApp(): App {
  return getContext<App>(KEY);
}
