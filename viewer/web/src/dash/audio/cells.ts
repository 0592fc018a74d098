/** One series in a card. */
export interface Cell {
  run: string;
  tag: string;
  label: string;
}

export interface Spec {
  id: string;
  title: readonly [string, string, string];
  cells: readonly Cell[];
}

/** Of one sound in a card, in pixels. */
export const ROW_PX = { wave: 84, spectrum: 116, both: 164 };
