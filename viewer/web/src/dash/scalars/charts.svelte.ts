import { compile } from "../../app/filter.svelte";
import { json, setting } from "../../app/setting.svelte";
import { sortNaturally } from "../../data/order";
import type { Sidecar } from "../../data/sidecar.svelte";

/** A chart of several tags that somebody put together. */
export interface Composed {
  id: string;
  title: string;
  tags: readonly string[];
  /** A regex: whatever tags it matches are in the chart too, those that are still to come among them. */
  pattern?: string;
}

/** Lengths of strokes and gaps in pixels, one for each tag by turns; the first tag is a whole line. */
export const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2], [9, 3, 2, 3], [1, 4], [14, 4]];

const MOST_TAGS = 100;
const PREFIX = "@chart/";

function texts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MOST_TAGS && value.every((one) => typeof one === "string" && one !== "");
}

/** What a sidecar or an address holds may be anything. */
function composed(id: string, value: unknown): Composed | null {
  if (typeof value !== "object" || value === null) return null;
  const { title, tags, pattern } = value as Record<string, unknown>;
  if (!id || typeof title !== "string" || !texts(tags)) return null;
  if (typeof pattern === "string" && pattern !== "") return { id, title, tags, pattern };
  return tags.length > 0 ? { id, title, tags } : null;
}

/** The tags of a chart: those that were named, and of all there are those that its regex matches. */
export function tagsIn({ tags, pattern }: Pick<Composed, "tags" | "pattern">, all: Iterable<string>): string[] {
  const regex = pattern ? compile(pattern).regex : null;
  if (!regex) return [...tags];
  const matching = sortNaturally([...all].filter((tag) => !tags.includes(tag) && regex.test(tag)));
  return [...tags, ...matching].slice(0, MOST_TAGS);
}

function isList(value: unknown): value is Composed[] {
  return Array.isArray(value) && value.every((one: unknown) => composed(String((one as Composed | null)?.id ?? ""), one) !== null);
}

/** Charts that the address itself holds: for whoever opens it, and where nothing can be kept beside the runs. */
export const addressed = setting<Composed[]>("chart", json(isList), []);

export function cardOf(chart: Composed): string {
  return PREFIX + chart.id;
}

/** Those of the sidecar and those of the address; of one id the sidecar's, which others may have changed since. */
export function chartsOf(sidecar: Sidecar): Composed[] {
  const kept = Object.entries(sidecar.sections.charts).flatMap(([id, value]) => composed(id, value) ?? []);
  const ids = new Set(kept.map(({ id }) => id));
  return [...kept, ...addressed.value.filter(({ id }) => !ids.has(id))];
}

export function isKept(sidecar: Sidecar, id: string): boolean {
  return Object.hasOwn(sidecar.sections.charts, id);
}

/** Keeps a chart beside the runs, for everybody; where that cannot be, in the address. */
export async function keep(sidecar: Sidecar, chart: Composed): Promise<void> {
  const { id, ...what } = copied(chart);
  const inAddress = addressed.value.some((one) => one.id === id);
  const kept = sidecar.writable && (await sidecar.patch({ charts: { [id]: what } }));
  if (!kept || inAddress) share(chart);
}

/** Writes a chart into the address. */
export function share(chart: Composed): void {
  const others = addressed.value.filter(({ id }) => id !== chart.id);
  addressed.value = [...others, copied(chart)];
}

function copied({ id, title, tags, pattern }: Composed): Composed {
  return { id, title, tags: [...tags], ...(pattern && { pattern }) };
}

export async function remove(sidecar: Sidecar, id: string): Promise<void> {
  addressed.value = addressed.value.filter((one) => one.id !== id);
  if (isKept(sidecar, id)) await sidecar.patch({ charts: { [id]: null } });
}
