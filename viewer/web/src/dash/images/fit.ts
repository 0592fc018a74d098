/** Cells in rows and columns. */
export interface Sheet {
  columns: number;
  /** Of one cell, in pixels. */
  width: number;
  height: number;
}

export const GAP_PX = 6;
/** Of a cell, below its picture. */
export const LABEL_PX = 18;
/** Smaller than this nothing is made out: then it is scrolled. */
const LEAST_PX = 64;

/** The columns with which so many pictures are drawn largest in a place. */
export function fitted(count: number, width: number, height: number, aspect: number): Sheet {
  const make = (columns: number): { sheet: Sheet; side: number } => {
    const rows = Math.ceil(count / columns);
    const cell = Math.max(1, Math.floor((width - GAP_PX * (columns - 1)) / columns));
    const high = Math.max(1, Math.floor((height - GAP_PX * (rows - 1)) / rows));
    return { sheet: { columns, width: cell, height: high }, side: Math.min(cell / aspect, high - LABEL_PX) };
  };
  const widest = Math.max(1, Math.floor((width + GAP_PX) / (LEAST_PX * Math.min(3, Math.max(1, aspect)) + GAP_PX)));
  let best = make(1);
  for (let columns = 2; columns <= Math.min(count, widest); columns++) {
    const other = make(columns);
    if (other.side > best.side + 1) best = other;
  }
  if (best.side >= LEAST_PX || count <= 1) return best.sheet;
  const columns = Math.min(count, widest);
  const cell = make(columns).sheet.width;
  return { columns, width: cell, height: Math.min(height, Math.max(LEAST_PX, Math.round(cell / aspect)) + LABEL_PX) };
}

/** From which to which of equal pieces something is in sight; `spare` pieces more on both sides. */
export function inSight(start: number, seen: number, piece: number, count: number, spare = 1): [from: number, to: number] {
  const from = Math.max(0, Math.floor(start / piece) - spare);
  return [Math.min(from, count), Math.min(count, Math.max(0, Math.ceil((start + seen) / piece) + spare))];
}
