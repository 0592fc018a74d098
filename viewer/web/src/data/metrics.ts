import { checked } from "./api";

/** How far one scalar went in one run. NaN where no value is finite; `last` is what was written last, finite or not. */
export interface Figures {
  n: number;
  nonFinite: number;
  first: number;
  last: number;
  min: number;
  max: number;
  minStep: number | null;
  maxStep: number | null;
  lastStep: number;
}

/** JSON has no NaN and no infinities: they come as text that Number() reads. */
type Sayable = number | string;

interface Columns {
  run: string[];
  n: number[];
  non_finite: number[];
  first: Sayable[];
  last: Sayable[];
  min: Sayable[];
  max: Sayable[];
  min_step: (number | null)[];
  max_step: (number | null)[];
  last_step: number[];
}

export type Metrics = Map<string, Map<string, Figures>>;

/** What one request may name, by the server's bound, and by that of a request line. */
const TAGS_PER_REQUEST = 50;
const CHARACTERS_PER_REQUEST = 6_000;

function queries(tags: readonly string[]): string[] {
  const out: string[] = [];
  let query = "";
  let count = 0;
  for (const tag of tags) {
    const part = `tag=${encodeURIComponent(tag.replace(/\p{Surrogate}/gu, "\ufffd"))}`;
    if (count === TAGS_PER_REQUEST || (count && query.length + part.length > CHARACTERS_PER_REQUEST)) {
      out.push(query);
      query = "";
      count = 0;
    }
    query += query ? `&${part}` : part;
    count++;
  }
  if (query) out.push(query);
  return out;
}

function byRun(columns: Columns): Map<string, Figures> {
  return new Map(
    columns.run.map((run, at) => [
      run,
      {
        n: columns.n[at],
        nonFinite: columns.non_finite[at],
        first: Number(columns.first[at]),
        last: Number(columns.last[at]),
        min: Number(columns.min[at]),
        max: Number(columns.max[at]),
        minStep: columns.min_step[at],
        maxStep: columns.max_step[at],
        lastStep: columns.last_step[at],
      },
    ]),
  );
}

/** Figures by tag and run, of tags that may be unknown. */
export async function fetchMetrics(tags: readonly string[]): Promise<Metrics> {
  const found: Metrics = new Map();
  for (const query of queries(tags)) {
    const response = await checked(await fetch(`./api/metrics?${query}`, { cache: "no-cache" }));
    const { metrics } = (await response.json()) as { metrics: Record<string, Columns> };
    for (const [tag, columns] of Object.entries(metrics)) found.set(tag, byRun(columns));
  }
  return found;
}
