import type { Component } from "svelte";

/** What the header says of a dashboard before its code is loaded; the default export of its `about.ts`. */
export interface About {
  title: string;
  /** The letter that opens it, after "g". */
  key: string;
  /** Where its tab stands: small numbers first. */
  order: number;
  /** The plugins whose values it shows. */
  plugins: readonly string[];
}

export interface Dashboard extends About {
  id: string;
  load: () => Promise<{ default: Component }>;
}

/** Every folder of dash/ is a dashboard; its code is fetched when it is opened. */
const found = import.meta.glob<{ default: Component }>("../dash/*/index.ts");
const abouts = import.meta.glob<About>("../dash/*/about.ts", { eager: true, import: "default" });

export const DASHBOARDS: Dashboard[] = Object.entries(found)
  .map(([path, load]) => ({ ...abouts[path.replace("index.ts", "about.ts")], id: path.split("/").at(-2) ?? path, load }))
  .sort((a, b) => a.order - b.order);
