import { Columns } from "./columns";

const MEANS = new WeakMap<Columns, { n: number; edition: number; means: Columns }>();

/**
 * A long series as the mean of each bucket, at its first point, and what came since point by point: what a
 * mean over runs is made of, which points chosen for being extreme would mislead.
 */
export function meansOf(columns: Columns): Columns {
  const { n, edition, buckets, step, wall, value } = columns;
  if (!buckets) return columns;
  const known = MEANS.get(columns);
  if (known?.n === n && known.edition === edition) return known.means;
  const means = new Columns();
  const later = Array.from({ length: n - buckets.rows }, (_, i) => buckets.rows + i);
  const at = [...buckets.start, ...later];
  means.n = means.points = at.length;
  means.step = Float64Array.from(at, (row) => step[row]);
  means.wall = Float64Array.from(at, (row) => wall[row]);
  means.value = Float64Array.from(at, (row, i) => (i < buckets.start.length ? buckets.mean[i] : value[row]));
  means.whole = columns.whole;
  means.stepRises = columns.stepRises;
  means.wallRises = columns.wallRises;
  MEANS.set(columns, { n, edition, means });
  return means;
}
