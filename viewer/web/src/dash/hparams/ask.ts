import { checked } from "../../data/api";
import type { Hparam } from "../../data/facts";
import type { Field } from "./fields";
import type { Row } from "./rows";

export interface Measures {
  n: number;
  pearson: number | null;
  spearman: number | null;
  /** The correlation ratio of numbers by categories. */
  eta: number | null;
  /** Cramér's V. */
  v: number | null;
}

export interface Importance {
  rows: number;
  used: number;
  trees: number;
  r2: number | null;
  columns: (Measures & { name: string; importance: number })[];
  left_out: { name: string; reason: string }[];
  /** Why there is no answer. */
  problem?: string;
}

export interface Correlation {
  columns: { name: string; numeric: boolean }[];
  pairs: (Measures & { of: [number, number] })[];
}

/** The server takes a mebibyte. */
const MOST_CHARACTERS = 900_000;
export const MOST_COLUMNS = 60;

function plain(value: Hparam | undefined): Hparam | null {
  return value === undefined || (typeof value === "number" && !Number.isFinite(value)) ? null : value;
}

/** Columns as the server takes them: called by their ids. Of a table that is too large every other row, or fewer. */
export function tableOf(rows: readonly Row[], fields: readonly Pick<Field, "id">[], more: object = {}): { body: string; every: number } {
  for (let every = 1; ; every *= 2) {
    const some = every === 1 ? rows : rows.filter((_, i) => i % every === 0);
    const columns = fields.slice(0, MOST_COLUMNS).map(({ id }) => ({ name: id, values: some.map(({ values }) => plain(values.get(id))) }));
    const body = JSON.stringify({ columns, ...more });
    if (new Blob([body]).size <= MOST_CHARACTERS || some.length <= 1) return { body, every };
  }
}

export async function ask<T>(what: "importance" | "correlation", body: string): Promise<T> {
  const response = await fetch(`./api/hparams/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return (await checked(response)).json() as Promise<T>;
}

/** The measure of a pair that fits its kinds, and what it is called. */
export function measured(found: Measures, of: "pearson" | "spearman"): { value: number | null; name: string } {
  if (found.eta !== null) return { value: found.eta, name: "correlation ratio" };
  if (found.v !== null) return { value: found.v, name: "Cramér's V" };
  return { value: found[of], name: of === "pearson" ? "Pearson" : "Spearman" };
}
