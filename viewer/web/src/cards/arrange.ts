/** What decides where cards stand, in pixels. */
export interface Measures {
  columns: number;
  /** Heights of a card, of one over the full width, and of a group's heading. */
  card: number;
  wide: number;
  head: number;
  gap: number;
}

interface Row {
  from: number;
  to: number;
  top: number;
  height: number;
}

/** A group as it stands on the board; `top` counts from the board's beginning. */
export interface Block<G> {
  group: G;
  folded: boolean;
  top: number;
  height: number;
  rows: readonly Row[];
  /** Columns that it takes: small groups stand side by side, as high as the highest of them. */
  columns: number;
}

/** The part of a group to draw, with the room that what is left out before and behind it takes. */
export interface Part<G> {
  group: G;
  folded: boolean;
  columns: number;
  before: number;
  from: number;
  to: number;
  behind: number;
}

/** Cards go left to right; one over the full width has a row for itself. */
function rowsOf(wide: readonly boolean[], m: Measures): Row[] {
  const rows: Row[] = [];
  let top = 0;
  for (let from = 0; from < wide.length; ) {
    let to = from + 1;
    if (!wide[from]) while (to < wide.length && to - from < m.columns && !wide[to]) to++;
    const height = (wide[from] ? m.wide : m.card) + m.gap;
    rows.push({ from, to, top, height });
    top += height;
    from = to;
  }
  return rows;
}

/** Where each group and each of its rows stands. Folding moves no group from one row to another. */
export function arrange<G>(groups: readonly G[], m: Measures, folded: (group: G) => boolean, wide: (group: G) => boolean[]): Block<G>[] {
  let top = 0;
  let free = 0;
  let beside: Block<G>[] = [];
  return groups.map((group) => {
    const cards = wide(group);
    const rows = folded(group) ? [] : rowsOf(cards, m);
    const columns = cards.includes(true) ? m.columns : Math.min(m.columns, cards.length || m.columns);
    const last = rows.at(-1);
    const height = m.head + (last ? last.top + last.height : 0);
    if (columns > free) {
      top += beside[0]?.height ?? 0;
      [beside, free] = [[], m.columns];
    }
    free -= columns;
    beside.push({ group, folded: folded(group), top, height, rows, columns });
    const high = Math.max(height, beside[0].height);
    for (const block of beside) block.height = high;
    return beside[beside.length - 1];
  });
}

/** What of the board to draw so that everything between two heights is there; with the room above and below. */
export function between<G>(blocks: readonly Block<G>[], m: Measures, lo: number, hi: number): { above: number; parts: Part<G>[]; below: number } {
  const seen = blocks.filter(({ top, height }) => top + height > lo && top < hi);
  const parts = seen.map(({ group, folded, top, height, rows, columns }) => {
    const start = top + m.head;
    const near = rows.filter((row) => start + row.top + row.height > lo && start + row.top < hi);
    const [first, last] = [near[0], near.at(-1)];
    if (!first || !last) return { group, folded, columns, before: height - m.head, from: 0, to: 0, behind: 0 };
    return { group, folded, columns, before: first.top, from: first.from, to: last.to, behind: height - m.head - last.top - last.height };
  });
  const end = blocks.at(-1);
  const [first, last] = [seen[0], seen.at(-1)];
  return { above: first?.top ?? 0, parts, below: end && last ? end.top + end.height - last.top - last.height : 0 };
}
