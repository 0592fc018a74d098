/** One series in a card. */
export interface Cell {
  run: string;
  tag: string;
  /** What tells it from the card's others. */
  label: string;
}

/** A card: a tag with its runs, or a run with its tags. */
export interface Spec {
  id: string;
  name: string;
  title: readonly [string, string, string];
  cells: readonly Cell[];
}
