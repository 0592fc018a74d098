/** The part of a row that keys need to know. */
interface KeyRow {
  depth?: number;
  folder?: { open: boolean };
}

/** Where each key leads from row `at`; -1 folds or unfolds the row itself. */
export function movesOf(rows: readonly KeyRow[], at: number): Partial<Record<string, number>> {
  const last = rows.length - 1;
  const { depth = 0, folder } = rows[at];
  const moves: Partial<Record<string, number>> = {
    ArrowDown: Math.min(at + 1, last),
    ArrowUp: Math.max(at - 1, 0),
    PageDown: Math.min(at + 10, last),
    PageUp: Math.max(at - 10, 0),
    Home: 0,
    End: last,
  };
  if (folder) moves["ArrowRight"] = folder.open ? Math.min(at + 1, last) : -1;
  if (folder?.open) moves["ArrowLeft"] = -1;
  else if (depth > 0) {
    let above = at - 1;
    while (above > 0 && (rows[above].depth ?? 0) >= depth) above--;
    moves["ArrowLeft"] = above;
  }
  return moves;
}

/** Letters typed within this time belong together. */
const PAUSE_MS = 700;

/** What was typed so far, with one letter more; the same letter again and again goes from row to row. */
export function typedTo(before: { text: string; at: number }, letter: string, at: number): { text: string; at: number } {
  const text = at - before.at < PAUSE_MS ? before.text + letter.toLowerCase() : letter.toLowerCase();
  return { text: text === letter.toLowerCase().repeat(text.length) ? letter.toLowerCase() : text, at };
}
