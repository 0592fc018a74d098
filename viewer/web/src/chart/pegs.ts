/** A place where values are pinned: of x, and of the run that was nearest there. */
export interface Peg {
  x: number;
  lead: string;
}

/** The pins of charts that scrolled out of sight, each with the axis that they stand on. */
export class Pegs {
  #kept = new Map<string, { pegs: readonly Peg[]; across: string }>();

  get(chart: string, across: string): readonly Peg[] {
    const kept = this.#kept.get(chart);
    return kept?.across === across ? kept.pegs : [];
  }

  set(chart: string, across: string, pegs: readonly Peg[]): void {
    if (pegs.length > 0) this.#kept.set(chart, { pegs, across });
    else this.#kept.delete(chart);
  }
}

export const pegs = new Pegs();
