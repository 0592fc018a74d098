import type { Axis } from "../../app/url";
import type { Span } from "../../data/buckets";
import type { AxisKind } from "../../chart/plot";

/** What lies across a chart. */
export interface Across {
  /** Tells one such axis from another: a zoom in steps means nothing in seconds. */
  key: string;
  kind: AxisKind;
  /** What the axis is called where its labels do not tell. */
  name: string;
  /** Whether x counts from each run's first step. */
  first: boolean;
  /** For an axis of values: the tag that a run's x are the values of. */
  tagOf: ((run: string) => string | undefined) | null;
  /** The tags that may be asked for. */
  tags: readonly string[];
}

type Scalars = ReadonlyMap<string, readonly string[]>;

// Not after "_": "loss_epoch" is a loss.
const EPOCH = /(^|[/.])epochs?$/i;
let known: { scalars: Scalars; epochs: readonly string[] } | undefined;

/** The tags that count epochs, the shortest first: "epoch" goes before "train/epoch". */
export function epochTags(scalars: Scalars): readonly string[] {
  if (known?.scalars !== scalars) {
    const epochs = [...scalars.keys()].filter((tag) => EPOCH.test(tag));
    known = { scalars, epochs: epochs.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)) };
  }
  return known.epochs;
}

let last: { asked: readonly unknown[]; across: Across } | undefined;

/** What lies across charts when a person has chosen `axis`, or `by` something else: the same object till that changes. */
export function acrossOf(axis: Axis, by: string, scalars: Scalars): Across {
  const asked = [axis, by, by === "epoch" && scalars];
  if (!last?.asked.every((one, i) => one === asked[i])) last = { asked, across: made(axis, by, scalars) };
  return last.across;
}

function made(axis: Axis, by: string, scalars: Scalars): Across {
  const plain = { key: axis, kind: axis, name: "", first: false, tagOf: null, tags: [] };
  if (by === "first") return { ...plain, key: by, kind: "step", name: "steps since the first", first: true };
  if (by === "epoch") {
    const tags = epochTags(scalars);
    const runsOf = new Map(tags.map((tag) => [tag, new Set(scalars.get(tag))]));
    return { ...plain, key: by, kind: "value", name: "epoch", tags, tagOf: (run) => tags.find((tag) => runsOf.get(tag)?.has(run)) };
  }
  if (!by.startsWith("tag:")) return plain;
  const tag = by.slice(4);
  return { ...plain, key: by, kind: "value", name: tag, tags: [tag], tagOf: () => tag };
}

interface Watched {
  watch: (owner: object, tag: string, runs: readonly string[], onData: () => void, view?: Span | null) => void;
  unwatch: (owner: object) => void;
}

/** Several tags that one chart asks for. */
export class Beside {
  #owners = new Map<string, object>();

  watch(series: Watched, tags: readonly string[], runs: readonly string[], onData: () => void, view: Span | null = null): void {
    for (const [tag, owner] of this.#owners) {
      if (tags.includes(tag)) continue;
      series.unwatch(owner);
      this.#owners.delete(tag);
    }
    for (const tag of tags) {
      let owner = this.#owners.get(tag);
      if (!owner) this.#owners.set(tag, (owner = {}));
      series.watch(owner, tag, runs, onData, view);
    }
  }

  unwatch(series: Watched): void {
    this.watch(series, [], [], () => {});
  }
}
