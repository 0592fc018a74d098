import { toPgf } from "../../chart/pgf";
import { fileName, toCsv, toJson } from "../../chart/table";
import type { Trace } from "../../chart/trace";
import type { ScaleKind } from "../../chart/scale";
import type { SeriesCache } from "../../data/series";
import { download } from "../../ui/download";
import type { Across } from "./across";
import { Lines, type Joining } from "./lines";
import { tagsOf, type CardSpec } from "./spec";
import type { Recipe } from "./traces";

export type Format = "png" | "svg" | "pgfplots" | "csv" | "json";

/** A chart as it stands, to be made a file of. */
export interface Saved {
  spec: CardSpec;
  series: SeriesCache;
  recipe: Omit<Recipe, "colour">;
  joining: Joining | null;
  rise: ScaleKind;
  /** The lines as they are drawn now, and what the axes show: x0, x1, y0, y1. */
  traces: () => readonly Trace[];
  domain: readonly number[];
  picture: (format: "svg" | "png") => Promise<Blob | null | undefined>;
}

/** Has the browser keep a chart as a file. */
export async function save(format: Format, chart: Saved): Promise<void> {
  const { name } = chart.spec;
  const blob = await blobOf(format, chart);
  if (blob) download(blob, fileName(name, format === "pgfplots" ? "tex" : format));
}

async function blobOf(format: Format, chart: Saved): Promise<Blob | null | undefined> {
  if (format === "pgfplots") return pgf(chart);
  return format === "csv" || format === "json" ? everyPoint(format, chart) : chart.picture(format);
}

/** Of a long series the chart holds what its pixels show; here all of it is wanted. */
async function everyPoint(format: "csv" | "json", { spec, series, recipe, joining }: Saved): Promise<Blob> {
  const { parts, name } = spec;
  const runs = [...new Set(parts.flatMap((part) => part.runs))];
  const tags = [...new Set([...tagsOf(parts), ...recipe.across.tags])];
  const all = new Map(await Promise.all(tags.map(async (one) => [one, await series.whole(one, runs)] as const)));
  const whole = new Lines().build(parts, (one, run) => all.get(one)?.get(run), { ...recipe, colour: () => "" }, joining);
  const text = format === "csv" ? toCsv(whole) : toJson(name, whole);
  return new Blob([text], { type: format === "csv" ? "text/csv" : "application/json" });
}

function pgf({ spec, recipe: { across }, rise, traces, domain }: Saved): Blob {
  const [x0 = 0, x1 = 1, y0 = 0, y1 = 1] = domain;
  const xlabel = across.name || xnameOf(across, x0);
  const look = { title: spec.name, xlabel, rise, x: { lo: x0, hi: x1 }, y: { lo: y0, hi: y1 }, start: across.kind === "wall" ? x0 : 0 };
  return new Blob([toPgf(traces(), look)], { type: "application/x-tex" });
}

function xnameOf({ kind }: Across, start: number): string {
  return { step: "step", relative: "seconds", wall: `seconds since ${new Date(start * 1000).toISOString()}`, value: "" }[kind];
}
