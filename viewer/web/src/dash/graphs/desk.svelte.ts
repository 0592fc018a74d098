import { getContext, setContext } from "svelte";
import type { Board } from "../../data/board.svelte";
import type { Columns } from "../../data/columns";
import { statusOf } from "./colours";
import { compared, type Comparison } from "./compare";
import { matches, searchOf } from "./find";
import { healthOf, valueAt } from "./health";
import type { Answer, Task } from "./layout.worker";
import { Model } from "./model";
import { received } from "./parcel";
import { Picture } from "./picture";
import * as settings from "./settings";
import { Tracer } from "./trace";
import type { GraphData, Which } from "./wire";

/** As many things are shown of a graph that nobody opened anything of. */
const USUAL = 18;
const FEW = 4;

const whichOf = ({ run, tag, kind, record, number }: GraphData): Which => ({ run, tag, kind, record, ...(number === undefined ? {} : { number }) });
const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What to open of a graph at first: level by level from the top, as long as all is easily seen. */
export function usuallyOpen(model: Model): number[] {
  const found: number[] = [];
  let shown = model.children(model.root).length;
  for (let level = [model.root]; level.length > 0; ) {
    level = level.flatMap((id) => model.children(id).filter((child) => model.isGroup(child)));
    shown += level.reduce((sum, id) => sum + model.children(id).length, 0);
    if (shown > USUAL) break;
    found.push(...level);
  }
  if (found.length > 0 || model.children(model.root).length > FEW) return found;
  // Two or three boxes tell nothing: they are opened, the smallest first, if they do not hold too much.
  shown = model.children(model.root).length;
  const outer = [model.root];
  for (const id of outer) {
    const groups = model.children(id).filter((child) => model.isGroup(child));
    for (const group of groups.sort((a, b) => model.children(a).length - model.children(b).length || a - b)) {
      if (shown > FEW && shown + model.children(group).length > 2 * USUAL) continue;
      shown += model.children(group).length - 1;
      found.push(group);
      if (shown <= FEW) outer.push(group);
    }
  }
  return found;
}

/** The graph that is looked at, what is known of it, and what a person does with it. */
export class Desk {
  data = $state.raw<GraphData | null>(null);
  comparison = $state.raw<Comparison | null>(null);
  model = $state.raw<Model | null>(null);
  picture = $state.raw<Picture | null>(null);
  classes = $state.raw<Int32Array | null>(null);
  many = $state.raw<ReadonlyMap<number, number>>(new Map());
  /** A graph from a file: it is looked at in place of those of the logdir. */
  brought = $state.raw<GraphData | null>(null);
  failed = $state("");
  loading = $state(false);
  hovered = $state(-1);
  /** What is to stay in its place on the screen when the next scene comes. */
  anchor = -1;
  /** How long the last layout took, in milliseconds. */
  took = $state(0);
  #health = $state.raw<Float64Array | null>(null);
  /** All steps of the series that colour is by. */
  steps = $state.raw<readonly number[]>([]);
  readonly #worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
  #key = 0;
  #turn = 0;
  #asked = "";

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#hear(data);
    this.#worker.onerror = (event) => (this.failed = `The graph could not be laid out: ${event.message}`);
  }

  readonly which: Which | null = $derived(this.data && whichOf(this.data));
  readonly open: ReadonlySet<number> = $derived.by(() => {
    const { model } = this;
    if (!model) return new Set<number>();
    const names = settings.opened.value;
    const ids = names === null ? usuallyOpen(model) : names.map((name) => model.scope(name));
    return new Set(ids.filter((id) => id > model.root));
  });
  readonly selected: number = $derived(this.model && settings.selected.value !== "" ? this.#named(settings.selected.value) : -1);
  readonly until: number = $derived(this.model && settings.until.value !== "" ? this.#named(settings.until.value) : -1);
  readonly #tracer: Tracer | null = $derived(this.data && new Tracer(this.data));
  readonly search = $derived(searchOf(settings.query.value, settings.regex.value));
  readonly found: readonly number[] = $derived(this.model && settings.query.value !== "" ? matches(this.model, this.search) : []);
  readonly foundSet: ReadonlySet<number> = $derived(new Set(this.found));
  /** Of nodes and namespaces, where two graphs are compared. */
  readonly status: Uint8Array | null = $derived(this.model && this.comparison ? statusOf(this.model, this.comparison.status) : null);
  /** The nodes that stand out, null where all do. */
  readonly traced: Uint8Array | null = $derived.by(() => {
    const [tracer, model] = [this.#tracer, this.model];
    if (!tracer || !model || this.selected < 0) return null;
    const nodes = model.leaves(this.selected);
    if (this.until >= 0) return tracer.between(nodes, model.leaves(this.until));
    const mode = settings.trace.value;
    if (mode === "none") return null;
    const up = mode === "down" ? null : tracer.up(nodes);
    const down = mode === "up" ? null : tracer.down(nodes);
    return up && down ? up.map((one, i) => one | down[i]) : (up ?? down);
  });
  /** The same of nodes and namespaces. */
  readonly lit: Uint8Array | null = $derived.by(() => {
    const { traced, model } = this;
    if (!traced || !model) return null;
    const lit = new Uint8Array(model.count);
    for (let i = 0; i < model.n; i++) if (traced[i]) for (let at = i; at >= 0 && !lit[at]; at = model.parent[at]) lit[at] = 1;
    return lit;
  });
  readonly health = $derived(this.#health);

  #named(name: string): number {
    const { model } = this;
    if (!model) return -1;
    return name.endsWith("/") ? model.scope(name.slice(0, -1)) : model.find(name);
  }

  /** How the address names a thing: namespaces end with a "/". */
  nameOf(id: number): string {
    const { model } = this;
    return !model || id < 0 ? "" : model.isGroup(id) ? `${model.name[id]}/` : model.name[id];
  }

  edges(id: number): { into: readonly number[]; out: readonly number[] } {
    const [tracer, model] = [this.#tracer, this.model];
    if (!tracer || !model) return { into: [], out: [] };
    const leaves = model.leaves(id);
    const outside = (node: number): boolean => !model.holds(id, node) || (id < model.n && node !== id);
    const into: number[] = [];
    const out: number[] = [];
    for (const leaf of leaves) {
      for (const edge of tracer.into.of(leaf)) if (outside(tracer.data.from[edge])) into.push(edge);
      for (const edge of tracer.out.of(leaf)) if (outside(tracer.data.to[edge])) out.push(edge);
    }
    return { into, out };
  }

  /** Shows a graph, alone or beside another. */
  show(data: GraphData | null, other: GraphData | null): void {
    this.comparison = data && other ? compared(data, other) : null;
    this.data = this.comparison?.data ?? data;
    this.failed = "";
    this.picture = null;
    this.classes = null;
    this.#health = null;
    this.model = this.data && new Model(this.data);
    this.#key++;
    this.#asked = "";
    this.anchor = -1;
    if (this.data) this.#send({ kind: "graph", key: this.#key, data: this.data });
  }

  /** Asks for a scene, if it is another than the last that was asked for. */
  lay(): void {
    const open = [...this.open];
    const aside = settings.aside.value;
    const asked = JSON.stringify([this.#key, open, aside]);
    if (!this.model || asked === this.#asked) return;
    this.#asked = asked;
    this.#send({ kind: "scene", key: this.#key, turn: ++this.#turn, open, aside });
  }

  #send(task: Task): void {
    this.#worker.postMessage(task);
  }

  #hear(answer: Answer): void {
    if (answer.key !== this.#key) return;
    if (answer.kind === "failed") this.failed = `The graph could not be laid out: ${answer.message}`;
    else if (answer.kind === "classes") {
      this.classes = answer.of;
      this.many = answer.many;
    } else if (answer.turn === this.#turn && this.model) {
      this.took = answer.took;
      this.picture = new Picture(this.model, received(answer.scene));
    }
  }

  select(id: number): void {
    settings.selected.value = this.nameOf(id);
    settings.until.value = "";
  }

  /** Opens or closes namespaces; `anchor` is what stays where it is on the screen. */
  setOpen(ids: Iterable<number>, open: boolean, anchor = -1): void {
    const { model } = this;
    if (!model) return;
    const next = new Set(this.open);
    for (const id of ids) {
      if (open) next.add(id);
      else next.delete(id);
    }
    this.anchor = anchor;
    settings.opened.value = [...next].map((id) => model.name[id]);
  }

  toggle(id: number): void {
    if (this.model?.isGroup(id) && id !== this.model.root) this.setOpen([id], !this.open.has(id), id);
  }

  /** All of it, or nothing. */
  all(open: boolean): void {
    const { model } = this;
    if (!model) return;
    const within = this.selected >= 0 && model.isGroup(this.selected) ? this.selected : model.root;
    const ids: number[] = [];
    for (let id = model.root + 1; id < model.count; id++) if (model.holds(within, id)) ids.push(id);
    this.setOpen(ids, open, within === model.root ? -1 : within);
  }

  /** Opens what a thing lies in, and chooses it. */
  reveal(id: number): void {
    const { model } = this;
    if (!model || id < 0) return;
    const closed = model.path(id).filter((one) => one !== id && !this.open.has(one));
    if (closed.length > 0) this.setOpen(closed, true);
    this.select(id);
  }

  /** Reads the newest values of the series that tell of modules; `tags` is by the path of the module. */
  readHealth(board: Board, run: string, tags: Readonly<Record<string, string>> | undefined): void {
    const { model, data } = this;
    if (!model || !data || !tags) return void (this.#health = null);
    const values = new Map<string, number>();
    const steps = new Set<number>();
    for (const [path, tag] of Object.entries(tags)) {
      const columns: Columns | undefined = board.series.get(tag, run);
      for (let i = 0; i < (columns?.n ?? 0); i++) steps.add(columns?.step[i] ?? 0);
      const value = valueAt(columns, settings.at.value);
      if (columns && columns.n > 0) values.set(path, value);
    }
    this.steps = [...steps].sort((a, b) => a - b);
    this.#health = healthOf(model, data, values);
  }

  end(): void {
    this.#worker.terminate();
  }

  static said = said;
}

const KEY = Symbol("graphs");

export function provideDesk(desk: Desk): Desk {
  setContext(KEY, desk);
  return desk;
}

export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}
