/** Row numbers as the address says them: "0-4,9". */
export function saidRows(rows: readonly number[]): string {
  const sorted = [...new Set(rows)].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === sorted[end] + 1) end++;
    parts.push(end > i ? `${sorted[i]}-${sorted[end]}` : String(sorted[i]));
    i = end + 1;
  }
  return parts.join(",");
}

const MOST_ROWS = 1_000_000;

/** Null where the text means nothing. */
export function heardRows(text: string): number[] | null {
  const rows: number[] = [];
  for (const part of text.split(",")) {
    const found = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
    if (!found) return null;
    const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
    if (last < first || rows.length + last - first >= MOST_ROWS) return null;
    for (let row = first; row <= last; row++) rows.push(row);
  }
  return rows;
}
