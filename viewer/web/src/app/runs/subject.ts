export type Plain = number | string | boolean;

/** How far a tag's values went in one run. */
export interface Figures {
  n: number;
  first: number;
  last: number;
  min: number;
  max: number;
  min_step: number;
  max_step: number;
  last_step: number;
}

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
  readonly hparams: Readonly<Record<string, Plain>>;
  figures: (tag: string) => Figures | undefined;
}
