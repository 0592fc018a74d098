import type { Board } from "../../data/board.svelte";
import type { Hparam, RunFact } from "../../data/facts";
import type { Figures } from "../../data/metrics";
import type { RunNote } from "../../data/sidecar";

/** What a query, a column or a colour may ask of a run. */
export interface Subject {
  readonly run: string;
  readonly status: string | undefined;
  /** Seconds since 1970. */
  readonly started: number | undefined;
  readonly ended: number | undefined;
  readonly lastStep: number | undefined;
  readonly path: string | undefined;
  readonly title: string | undefined;
  readonly note: string | undefined;
  readonly labels: readonly string[];
  readonly hparams: Readonly<Record<string, Hparam>>;
  figures: (tag: string) => Figures | undefined;
}

const NO_HPARAMS: Readonly<Record<string, Hparam>> = {};
const NO_LABELS: readonly string[] = [];

/** A run as the board knows it now. */
class BoardSubject implements Subject {
  readonly #fact: RunFact | undefined;
  readonly #note: RunNote;

  constructor(
    readonly board: Board,
    readonly run: string,
  ) {
    this.#fact = board.facts.of(run);
    this.#note = board.sidecar.note(run);
  }

  get status(): string | undefined {
    return this.#fact?.status;
  }

  get started(): number | undefined {
    return this.#fact?.started ?? undefined;
  }

  get ended(): number | undefined {
    return this.#fact?.ended ?? undefined;
  }

  get lastStep(): number | undefined {
    return this.#fact?.last_step ?? undefined;
  }

  get path(): string | undefined {
    return this.#fact?.path;
  }

  get title(): string | undefined {
    return this.#note.title;
  }

  get note(): string | undefined {
    return this.#note.note;
  }

  get labels(): readonly string[] {
    return this.#note.tags ?? NO_LABELS;
  }

  get hparams(): Readonly<Record<string, Hparam>> {
    return this.#fact?.hparams ?? NO_HPARAMS;
  }

  figures = (tag: string): Figures | undefined => this.board.metrics.of(tag, this.run);
}

/** Where subjects come from. */
export interface Subjects {
  of: (run: string) => Subject;
  /** Whether all is there that is asked of them: facts, and the figures of these tags. */
  ready: (tags: readonly string[]) => boolean;
  /** Has the figures of these tags kept for this owner, in place of those it asked for before. */
  want: (owner: object, tags: readonly string[]) => void;
}

export function subjectsOf(board: Board): Subjects {
  return {
    of: (run) => new BoardSubject(board, run),
    ready: (tags) => board.facts.runs.size > 0 && tags.every((tag) => board.metrics.tags.has(tag)),
    want: (owner, tags) => board.metrics.want(owner, tags),
  };
}
