import type { Component } from "svelte";

export interface Dashboard {
  id: string;
  title: string;
  load: () => Promise<{ default: Component }>;
}

/** Every folder of dash/ is a dashboard; its code is fetched when it is opened. */
const found = import.meta.glob<{ default: Component }>("../dash/*/index.ts");

export const DASHBOARDS: Dashboard[] = Object.entries(found).map(([path, load]) => {
  const id = path.split("/").at(-2) ?? path;
  return { id, title: id[0].toUpperCase() + id.slice(1), load };
});
