import type { Component } from "svelte";
import type { Chosen, Overview } from "./wire";

/** What is said of a view before its code is loaded; the default export of its `about.ts`. */
export interface ViewAbout {
  title: string;
  /** Where its tab stands: small numbers first. */
  order: number;
  /** Whether a profile has anything that it shows; it always has where this is left out. */
  shows?: (overview: Overview) => boolean;
}

/** What each view is given. It is made anew for each profile. */
export interface ViewProps {
  chosen: Chosen;
  overview: Overview;
}

export interface View extends ViewAbout {
  id: string;
  load: () => Promise<{ default: Component<ViewProps> }>;
}

/** Every folder of views/ is a view; its code is fetched when it is opened. */
const found = import.meta.glob<{ default: Component<ViewProps> }>("./views/*/index.ts");
const abouts = import.meta.glob<ViewAbout>("./views/*/about.ts", { eager: true, import: "default" });

export const VIEWS: readonly View[] = Object.entries(found)
  .map(([path, load]) => ({ ...abouts[path.replace("index.ts", "about.ts")], id: path.split("/").at(-2) ?? path, load }))
  .sort((a, b) => a.order - b.order);
