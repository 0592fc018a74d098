/** What is taken away as a file. */
import { csvField, csvNumber } from "../../chart/table";
import type { Desk } from "./desk.svelte";

/** A line for each shown row: its number, its metadata, and where the projection puts it. */
export function toCsv({ columns, coordinates, shown, ...desk }: Pick<Desk, "columns" | "coordinates" | "shown" | "row">): string {
  const head = ["row", ...columns.map(({ name }) => name), ...(coordinates ? ["x", "y", "z"] : [])];
  const lines = [head.map(csvField).join(",")];
  for (let i = 0; i < shown; i++) {
    const places = coordinates ? [0, 1, 2].map((k) => csvNumber(coordinates[3 * i + k])) : [];
    lines.push([desk.row?.[i] ?? i, ...columns.map(({ values }) => csvField(values[i])), ...places].join(","));
  }
  return `${lines.join("\n")}\n`;
}
