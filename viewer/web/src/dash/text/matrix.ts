/** How often each class was taken for each. */
export interface Confusion {
  names: string[];
  /** A row for each right class, a column for each predicted one. */
  counts: number[][];
  rows: number[];
  columns: number[];
  total: number;
}

/** Reads a table that says it is a confusion matrix; null where it is none. */
export function confusionOf(rows: readonly (readonly string[])[]): Confusion | null {
  const names = rows[0]?.slice(1) ?? [];
  const counts = rows.slice(1).map((row) => row.slice(1).map((cell) => (cell.trim() === "" ? NaN : Number(cell))));
  if (names.length === 0 || counts.length !== names.length) return null;
  if (counts.some((row) => row.length !== names.length || row.some((count) => !Number.isFinite(count)))) return null;
  const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);
  const sums = counts.map(sum);
  return { names, counts, rows: sums, columns: names.map((_, i) => sum(counts.map((row) => row[i]))), total: sum(sums) };
}

export const SHARES = ["counts", "rows", "columns", "all"] as const;
export type Share = (typeof SHARES)[number];

/** A count as a share of what it is compared with; NaN of nothing. */
export function shareOf({ counts, rows, columns, total }: Confusion, share: Share, row: number, column: number): number {
  const whole = share === "columns" ? columns[column] : share === "all" ? total : rows[row];
  return whole === 0 ? NaN : counts[row][column] / whole;
}

/** The share of what lies on the diagonal. */
export function accuracyOf({ counts, total }: Confusion): number {
  return counts.reduce((right, row, i) => right + row[i], 0) / total;
}
