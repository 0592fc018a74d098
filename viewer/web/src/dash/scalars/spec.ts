import type { Composed } from "./charts.svelte";
import type { Part } from "./lines";

/** What a card shows. */
export interface CardSpec {
  /** What the address calls it: a tag, or something that no tag is called. */
  id: string;
  name: string;
  /** The name in three: its middle is what the group's heading does not say. */
  title: readonly [before: string, own: string, behind: string];
  parts: readonly Part[];
  /** What is wrong with it, in a sentence. */
  problem?: string;
  /** Where it is somebody's own. */
  composed?: Composed;
}

/** Every tag whose points a card needs. */
export function tagsOf(parts: readonly Part[]): string[] {
  return [...new Set(parts.flatMap(({ tag, lower, upper }) => [tag, lower ?? [], upper ?? []].flat()))];
}

function same(a: unknown, b: unknown): boolean {
  return a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, i) => same(one, b[i])));
}

/** What a card is made of: as it was, where it is the same in new lists, for which nothing need be drawn. */
export function settled(before: readonly Part[], now: readonly Part[]): readonly Part[] {
  const [was, is] = [before, now].map((parts) => parts.map(({ tag, runs, dash, lower, upper }) => [tag, runs, dash, lower, upper]));
  return same(was, is) ? before : now;
}
