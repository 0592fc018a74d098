const MOST = 200;

/** A text as one line of a cell. */
export function fitsCell(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > MOST ? `${line.slice(0, MOST)}…` : line;
}

/** One plot of a scatter matrix, in CSS pixels. */
export interface Cell {
  column: number;
  row: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  cells: readonly Cell[];
}

const LEFT_PX = 66;
const BOTTOM_PX = 20;
const EDGE_PX = 8;
const GAP_PX = 4;

export function layOut(width: number, height: number, count: number): Layout {
  const wide = (width - LEFT_PX - EDGE_PX) / Math.max(1, count);
  const high = (height - BOTTOM_PX - EDGE_PX) / Math.max(1, count);
  const cells = Array.from({ length: count * count }, (_, i): Cell => {
    const [row, column] = [Math.floor(i / count), i % count];
    return { column, row, x: LEFT_PX + column * wide, y: EDGE_PX + row * high, width: wide - GAP_PX, height: high - GAP_PX };
  });
  return { cells };
}

/** A point within a cell, by its places on both axes, with some room at the edges. */
export function placed({ x, y, width, height }: Cell, across: number, up: number): { x: number; y: number } {
  const room = 6;
  return { x: x + room + across * (width - 2 * room), y: y + height - room - up * (height - 2 * room) };
}

export function cellAt({ cells }: Layout, x: number, y: number): Cell | null {
  return cells.find((cell) => x >= cell.x && x <= cell.x + cell.width && y >= cell.y && y <= cell.y + cell.height) ?? null;
}
