import { checked } from "../../data/api";
import { DASHES } from "./charts.svelte";
import type { Group } from "../../cards/groups";
import type { Part } from "./lines";

interface Margin {
  value: string;
  lower: string;
  upper: string;
}

/** A chart that a training laid out: lines of several tags, or values between bounds. */
export interface LaidOut {
  title: string;
  lines?: string[];
  margins?: Margin[];
  /** Why lines are missing. */
  problem?: string;
}

/** What GET api/layouts answers. */
export interface Layouts {
  categories: { title: string; closed: boolean; charts: LaidOut[] }[];
}

export async function fetchLayouts(): Promise<Layouts> {
  const response = await fetch("./api/layouts", { cache: "no-cache" });
  return (await checked(response)).json() as Promise<Layouts>;
}

/** The groups of a layout and its charts, by what their cards are called. */
export function laidOut({ categories }: Layouts): { groups: Group[]; charts: Map<string, LaidOut> } {
  const charts = new Map<string, LaidOut>();
  const groups = categories.map(({ title, closed, charts: of }, i) => {
    const tags = of.map((chart, j) => {
      const card = `@layout/${title}/${chart.title}`;
      // Two of one name are two cards.
      const id = charts.has(card) ? `${card}/${i}.${j}` : card;
      charts.set(id, chart);
      return id;
    });
    return { name: `@layout/${title}`, title: title || "Layout", tags, closed };
  });
  return { groups: groups.filter(({ tags }) => tags.length > 0), charts };
}

/** The lines of a laid out chart; one of several has strokes of its own. */
export function partsOf({ lines = [], margins = [] }: LaidOut, runsOf: (tag: string) => readonly string[]): Part[] {
  const several = lines.length + margins.length > 1;
  const dash = (i: number): { dash?: readonly number[] } => (several ? { dash: DASHES[i % DASHES.length] } : {});
  return [
    ...lines.map((tag, i) => ({ tag, runs: runsOf(tag), ...dash(i) })),
    ...margins.map(({ value, lower, upper }, i) => ({ tag: value, lower, upper, runs: runsOf(value), ...dash(lines.length + i) })),
  ];
}
