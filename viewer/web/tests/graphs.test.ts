import { describe, expect, it } from "vitest";
import { kept } from "../src/dash/graphs/across";
import { classesOf } from "../src/dash/graphs/classes";
import { closing, layered, type Part } from "../src/dash/graphs/layered";
import { Model } from "../src/dash/graphs/model";
import { crossings } from "../src/dash/graphs/ordering";
import { byNumber, painted } from "../src/dash/graphs/colours";
import { compared } from "../src/dash/graphs/compare";
import { fitted, fittedBelow, zoomed } from "../src/dash/graphs/camera";
import { matches, searchOf } from "../src/dash/graphs/find";
import { healthOf, valueAt } from "../src/dash/graphs/health";
import { bytes, count, time } from "../src/dash/graphs/numbers";
import { heardOpen, saidOpen } from "../src/dash/graphs/opened";
import { SvgPen } from "../src/dash/graphs/pen";
import { elements, sizesOf } from "../src/dash/graphs/shapes";
import { Tracer } from "../src/dash/graphs/trace";
import { HUES, hueColour } from "../src/chart/palette";
import { ramp } from "../src/app/runs/ramp";
import { Layout, packed, seen, type Frame, type Scene } from "../src/dash/graphs/scene";
import type { GraphData } from "../src/dash/graphs/wire";

/** Numbers from 0 to 1, the same each time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

/** A graph of "name: op <- inputs" lines; an input may have a slot ("a:1") and be for control only ("^a"). */
export function graphOf(lines: readonly string[], more: Partial<GraphData> = {}): GraphData {
  const rows = lines.map((line) => /^(\S+): ?(\S*)(?: <- (.*))?$/.exec(line) ?? []);
  const name = rows.map((row) => row[1]);
  const at = new Map(name.map((one, i) => [one, i]));
  const edges = rows.flatMap((row, to) =>
    (row[3] ?? "")
      .split(" ")
      .filter((one) => one !== "")
      .map((one, port) => {
        const [, control, from, slot] = /^(\^?)([^:]+)(?::(\d+))?$/.exec(one) ?? [];
        return { from: at.get(from) ?? -1, slot: Number(slot ?? 0), to, port, control: control ? 1 : 0 };
      }),
  );
  return {
    run: "run",
    tag: "",
    kind: "run",
    record: "",
    notes: [],
    title: "",
    name,
    op: rows.map((row) => row[2]),
    from: edges.map((edge) => edge.from),
    slot: edges.map((edge) => edge.slot),
    to: edges.map((edge) => edge.to),
    port: edges.map((edge) => edge.port),
    control: edges.map((edge) => edge.control),
    dangling: [],
    devices: [],
    device: name.map(() => -1),
    shapes: name.map(() => ["float32[2,3]"]),
    parameters: null,
    flops: null,
    nanoseconds: null,
    bytes: null,
    modules: [],
    module: name.map(() => -1),
    sources: [],
    source: name.map(() => -1),
    ...more,
  };
}

/** Layers of attention and of what follows, as a transformer's: about 17 nodes each. */
export function transformer(layers: number): GraphData {
  const lines = ["inputs/x: Input", "embed/gather: Gather <- inputs/x"];
  let before = "embed/gather";
  for (let i = 0; i < layers; i++) {
    const at = `layers/${i}`;
    lines.push(
      `${at}/norm1/layer_norm: Norm <- ${before}`,
      ...["q", "k", "v"].flatMap((one) => [
        `${at}/attention/${one}/weight: Const`,
        `${at}/attention/${one}/linear: Linear <- ${at}/norm1/layer_norm ${at}/attention/${one}/weight`,
      ]),
      `${at}/attention/scores: MatMul <- ${at}/attention/q/linear ${at}/attention/k/linear`,
      `${at}/attention/softmax: Softmax <- ${at}/attention/scores`,
      `${at}/attention/mix: MatMul <- ${at}/attention/softmax ${at}/attention/v/linear`,
      `${at}/attention/out/linear: Linear <- ${at}/attention/mix`,
      `${at}/add: Add <- ${before} ${at}/attention/out/linear`,
      `${at}/norm2/layer_norm: Norm <- ${at}/add`,
      `${at}/mlp/up/linear: Linear <- ${at}/norm2/layer_norm`,
      `${at}/mlp/gelu: Gelu <- ${at}/mlp/up/linear`,
      `${at}/mlp/down/linear: Linear <- ${at}/mlp/gelu`,
      `${at}/add_1: Add <- ${at}/add ${at}/mlp/down/linear`,
    );
    before = `${at}/add_1`;
  }
  lines.push(`outputs/y: Output <- ${before}`);
  return graphOf(lines);
}

function laid(data: GraphData, open: "all" | readonly string[] = "all", aside = true): { scene: Scene; model: Model; layout: Layout } {
  const model = new Model(data);
  const layout = new Layout(model, data, classesOf(model, data));
  const ids = new Set<number>();
  for (let id = model.n; id < model.count; id++) if (open === "all" || open.includes(model.name[id])) ids.add(id);
  return { scene: layout.scene(ids, aside), model, layout };
}

function boxes(frame: Frame): [number, number, number, number][] {
  return Array.from(frame.children, (_, i) => [...frame.boxes.subarray(4 * i, 4 * i + 4)] as [number, number, number, number]);
}

/** Pairs of boxes that overlap, looked for along the longer side: a column of thousands is no square of pairs. */
function overlaps(frame: Frame): number {
  const [at, across] = frame.height > frame.width ? [1, 0] : [0, 1];
  const all = boxes(frame).sort((a, b) => a[at] - b[at]);
  let found = 0;
  for (let i = 0; i < all.length; i++) {
    for (let k = i + 1; k < all.length && all[k][at] < all[i][at] + all[i][at + 2] - 0.01; k++) {
      if (all[i][across] < all[k][across] + all[k][across + 2] - 0.01 && all[k][across] < all[i][across] + all[i][across + 2] - 0.01) found++;
    }
  }
  return found;
}

/** Boxes that reach out of their frame. */
function outside(frame: Frame): number {
  const within = ([x, y, width, height]: [number, number, number, number]): boolean =>
    x >= -0.01 && y >= -0.01 && x + width <= frame.width + 0.01 && y + height <= frame.height + 0.01;
  return boxes(frame).filter((box) => !within(box)).length;
}

/** Whether every curve of a frame is within it, and how many of the real edges go up. */
function rising(frame: Frame): number {
  let found = 0;
  for (let e = 0; e < frame.source.length; e++) {
    const curve = frame.curves.subarray(frame.starts[e], frame.starts[e + 1]);
    if (curve[curve.length - 1] < curve[1]) found++;
  }
  return found;
}

describe("the tree of a graph", () => {
  const data = graphOf(["x: Input", "a/b/conv2d: conv2d <- x", "a/c/relu_call1/relu: relu <- a/b/conv2d", "a/c/add: add <- x", "A: Op", "A/part: Op <- A", "A/more: Op"], {
    parameters: [0, 5, 0, 0, 1, 2, 4],
  });
  const model = new Model(data);

  it("takes a namespace of one thing for that thing", () => {
    const conv = model.find("a/b/conv2d");
    expect(model.label[conv]).toBe("b");
    expect(model.label[model.find("a/c/relu_call1/relu")]).toBe("relu_call1");
    expect(model.scope("a/b")).toBe(conv);
    expect(model.path(model.find("a/c/add")).map((id) => model.label[id])).toEqual(["a", "c", "add"]);
  });

  it("puts a node that is called as a namespace into it", () => {
    const node = model.find("A");
    expect(node).toBe(4);
    expect(model.label[node]).toBe("(A)");
    expect(model.parent[node]).toBe(model.scope("A"));
  });

  it("sums what its nodes have", () => {
    expect(model.totals.parameters?.[model.scope("A")]).toBe(7);
    expect(model.totals.parameters?.[model.root]).toBe(12);
    expect(model.totals.flops).toBeNull();
    expect([...model.leaves(model.scope("a"))].sort()).toEqual([1, 2, 3]);
    expect(model.size(model.root)).toBe(7);
  });

  it("says what each node is seen as", () => {
    expect([...seen(model, new Set())]).toEqual([0, ...[1, 2, 3].map(() => model.scope("a")), ...[4, 5, 6].map(() => model.scope("A"))]);
    const open = new Set([model.scope("a")]);
    expect([...seen(model, open)].slice(0, 4)).toEqual([0, 1, model.scope("a/c"), model.scope("a/c")]);
  });

  it("takes names of any form", () => {
    const strange = new Model(graphOf(["/a//b/: X", "/: X", "__proto__/constructor: X", "__proto__/x: X"]));
    expect(strange.label[0]).toBe("a/b");
    expect(strange.label[1]).toBe("/");
    expect(strange.label[strange.scope("__proto__")]).toBe("__proto__");
  });
});

describe("parts that are built alike", () => {
  it("have one class whatever they are called and in whichever order they are written", () => {
    const data = graphOf([
      "in: Input",
      "a/one: Conv <- in",
      "a/two: Relu <- a/one",
      "a/three: Add <- a/one a/two",
      "b/z: Add <- b/x b/y",
      "b/y: Relu <- b/x",
      "b/x: Conv <- a/three",
      "c/x: Conv <- b/z",
      "c/y: Relu <- c/x",
      "c/z: Add <- c/y c/x",
      "d/x: Conv <- c/z",
      "d/y: Relu <- d/x",
      "d/z: Add <- d/x d/y",
    ]);
    const model = new Model(data);
    const { of, order, many } = classesOf(model, data);
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => model.scope(name));
    expect(of[a]).toBe(of[b]);
    expect(of[d]).toBe(of[a]);
    expect(many.get(of[a])).toBe(3);
    expect(of[c], "the ports are the other way round").not.toBe(of[a]);
    expect(order[b - model.n].map((id) => data.op[id])).toEqual(order[a - model.n].map((id) => data.op[id]));
  });

  it("differ by an op, a shape or an edge", () => {
    const base = ["x: Input", "a/1: P <- x", "a/2: Q <- a/1", "b/1: P <- a/2", "b/2: Q <- b/1"];
    const alike = (lines: readonly string[], shapes?: string[][]): boolean => {
      const data = graphOf(lines, shapes ? { shapes } : {});
      const model = new Model(data);
      const { of } = classesOf(model, data);
      return of[model.scope("a")] === of[model.scope("b")];
    };
    expect(alike(base)).toBe(true);
    expect(alike(base.with(4, "b/2: R <- b/1"))).toBe(false);
    expect(alike(base.with(4, "b/2: Q <- a/2"))).toBe(false);
    expect(alike(base, [["f"], ["f"], ["f"], ["f"], ["g"]])).toBe(false);
  });

  it("are few in a deep model, and laid out alike", () => {
    const data = transformer(20);
    const { scene, model } = laid(data);
    const { of } = classesOf(model, data);
    expect(new Set(Array.from({ length: 20 }, (_, i) => of[model.scope(`layers/${i}`)])).size).toBe(1);
    const frame = (name: string): Frame | undefined => scene.frames.find(({ id }) => id === model.scope(name));
    for (const part of ["", "/attention", "/mlp"]) {
      const [some, other] = [frame(`layers/3${part}`), frame(`layers/17${part}`)];
      expect(some && [...some.boxes]).toEqual(other && [...other.boxes]);
      expect(some && [...some.curves]).toEqual(other && [...other.curves]);
    }
  });
});

describe("layers", () => {
  it("have no boxes that overlap, and edges that go down", () => {
    const next = random(3);
    for (let round = 0; round < 12; round++) {
      const many = 5 + Math.floor(next() * 60);
      const lines = Array.from({ length: many }, (_, i) => {
        const inputs = Array.from({ length: Math.floor(next() * 4) }, () => Math.floor(next() * i)).filter((j) => j < i);
        const scope = ["", "a/", "b/", "a/c/"][Math.floor(next() * 4)];
        return { scope, inputs };
      });
      const name = (i: number): string => `${lines[i].scope}n${i}`;
      const data = graphOf(lines.map(({ inputs }, i) => `${name(i)}: Op <- ${inputs.map(name).join(" ")}`.replace(/ <- $/, "")));
      const { scene } = laid(data);
      for (const frame of scene.frames) {
        expect([overlaps(frame), outside(frame)]).toEqual([0, 0]);
      }
    }
  });

  it("have edges that go down, all of them, where nothing goes round", () => {
    const { scene } = laid(transformer(4));
    expect(scene.frames.reduce((sum, frame) => sum + rising(frame), 0)).toBe(0);
    expect(scene.frames.length).toBe(1 + 1 + 4 * 6);
  });

  it("are the same each time", () => {
    const once = laid(transformer(3)).scene;
    const again = laid(transformer(3)).scene;
    expect(again).toEqual(once);
  });

  it("open cycles, one edge each, and lead that edge around", () => {
    const part = { nodes: 3, ways: 0, outs: 0, from: [0, 1, 2], to: [1, 2, 0] };
    expect(closing(part)).toEqual([false, false, true]);
    const placed = layered({ ...part, width: [50, 50, 50], height: [20, 20, 20], leaves: [25, 25, 25], meets: [25, 25, 25] });
    expect(placed.y[0]).toBeLessThan(placed.y[1]);
    expect(placed.y[1]).toBeLessThan(placed.y[2]);
    const back = placed.curves.subarray(placed.starts[2], placed.starts[3]);
    expect([...back.slice(0, 2)]).toEqual([placed.x[2] + 25, placed.y[2] + 20]);
    expect([...back.slice(-2)]).toEqual([placed.x[0] + 25, placed.y[0]]);
    const beside = Math.max(...Array.from(placed.x, (x) => x + 50));
    expect(Math.max(...back.filter((_, i) => i % 2 === 0))).toBeGreaterThan(beside);
  });

  it("end with loops of any kind", () => {
    const { scene } = laid(graphOf(["a/x: Op <- b/y a/x", "b/y: Op <- a/x c", "c: Op <- b/y ^b/z", "b/z: Op <- c"]));
    expect(scene.frames).toHaveLength(2);
    for (const frame of scene.frames) expect(overlaps(frame)).toBe(0);
  });

  it("let long edges pass beside what lies between", () => {
    const { scene, model } = laid(graphOf(["a: X", "b: X <- a", "c: X <- b", "d: X <- c", "e: X <- d a"]));
    const [frame] = scene.frames;
    const long = frame.source.findIndex((source, e) => source === model.find("a") && frame.targets[frame.ends[e]] === model.find("e"));
    const curve = frame.curves.subarray(frame.starts[long], frame.starts[long + 1]);
    for (let i = 0; i < curve.length; i += 2) {
      for (const [at, name] of ["b", "c", "d"].entries()) {
        void at;
        const [x, y, width, height] = boxes(frame)[frame.children.indexOf(model.find(name))];
        expect(curve[i] > x && curve[i] < x + width && curve[i + 1] > y && curve[i + 1] < y + height).toBe(false);
      }
    }
  });

  it("count crossings", () => {
    expect(crossings([0, 1], [1, 0])).toBe(1);
    expect(crossings([0, 0, 1, 1], [0, 1, 0, 1])).toBe(1);
    expect(crossings([0, 1, 2], [2, 1, 0])).toBe(3);
    expect(crossings([0, 1], [0, 0])).toBe(0);
  });

  it("keep the order and the distance of what they place across, as near to what it wants as can be", () => {
    expect(kept([0, 0], [1, 1], [10])).toEqual([-5, 5]);
    expect(kept([0, 0], [3, 1], [10])).toEqual([-2.5, 7.5]);
    expect(kept([5, 50, 20], [1, 1, 1], [10, 10])).toEqual([5, 30, 40]);
  });
});

describe("a scene", () => {
  it("leads an edge through each namespace between its ends, from one way to the next", () => {
    const { scene, model } = laid(graphOf(["x: Input", "a/b/c: Op <- x", "a/b/e: Op", "a/d: Op <- a/b/c", "y: Op <- a/b/c"]));
    const frame = (name: string): Frame => scene.frames.find(({ id }) => id === (name ? model.scope(name) : model.root)) as Frame;
    const ends = (name: string, source: string, last: boolean): [number, number][] => {
      const { x, y, source: sources, curves, starts } = frame(name);
      return [...sources].flatMap((one, e) => {
        if (one !== model.find(source)) return [];
        const at = last ? starts[e + 1] - 2 : starts[e];
        return [[Math.round(x + curves[at]), Math.round(y + curves[at + 1])] as [number, number]];
      });
    };
    expect(ends("", "x", true)).toEqual(ends("a", "x", false));
    expect(ends("a", "x", true)).toEqual(ends("a/b", "x", false));
    expect(frame("a").source.length).toBe(3);
    expect(ends("a", "a/b/c", true)).toContainEqual(ends("", "a/b/c", false)[0]);
  });

  it("puts constants and what all read aside, with their edges", () => {
    const readers = Array.from({ length: 7 }, (_, i) => `r${i}: Op <- mask${i > 0 ? ` r${i - 1}` : " k"}`);
    const data = graphOf(["mask: Input", "k: Const", ...readers]);
    const { scene, model } = laid(data);
    expect(scene.frames[0].aside).toBe(2);
    expect([...scene.frames[0].children].slice(-2).sort()).toEqual([model.find("mask"), model.find("k")].sort());
    expect(scene.loose.length).toBe(2 * 8);
    const all = laid(data, "all", false).scene;
    expect(all.frames[0].aside).toBe(0);
    expect(all.loose.length).toBe(0);
  });

  it("says shapes and amounts of what edges carry", () => {
    const data = graphOf(["a/x: Op", "a/y: Op <- a/x", "b: Op <- a/x a/y", "c: Op <- ^b"], { shapes: [["float32[2,3]"], ["float32[4]"], ["f[]"], []] });
    const { scene, model } = laid(data, []);
    const [frame] = scene.frames;
    const from = (name: string): number => [...frame.source].indexOf(model.scope(name) >= 0 ? model.scope(name) : model.find(name));
    expect([frame.tensors[from("a")], frame.amount[from("a")], frame.shape[from("a")]]).toEqual([2, 10, ""]);
    expect([frame.control[from("a")], frame.control[from("b")]]).toEqual([0, 1]);
    expect(laid(data, ["a"]).scene.frames.flatMap(({ shape }) => shape)).toContain("float32[4]");
  });

  it("sets parts that no edge joins side by side", () => {
    const part: Part = { nodes: 60, ways: 0, outs: 0, width: new Array(60).fill(80), height: new Array(60).fill(30), from: [], to: [], leaves: [], meets: [] };
    const placed = packed(part);
    expect(placed.width).toBeLessThan(2_000);
    expect(placed.height).toBeLessThan(2_000);
  });

  it("holds 10,000 nodes, whole or by their layers", () => {
    const data = transformer(590);
    expect(data.name.length).toBeGreaterThan(10_000);
    const { scene, model, layout } = laid(data, ["layers"]);
    expect(scene.frames[1].children.length).toBe(590);
    const some = new Set([model.scope("layers"), model.scope("layers/300")]);
    expect(layout.scene(some, true).frames).toHaveLength(3);
    const everything = layout.scene(new Set(Array.from({ length: model.count - model.n }, (_, i) => model.n + i)), true);
    const sum = (of: (frame: Frame) => number): number => everything.frames.reduce((all, frame) => all + of(frame), 0);
    expect(sum(overlaps)).toBe(0);
    expect(sum((frame) => frame.children.length)).toBe(model.count - 1);
  });

  it("holds 10,000 nodes without any namespace", () => {
    const next = random(9);
    const lines = Array.from({ length: 10_000 }, (_, i) => {
      const inputs = i === 0 ? [] : [i - 1, ...(next() < 0.3 ? [Math.max(0, i - 2 - Math.floor(next() * 9))] : [])];
      return `n${i}: Op${inputs.length > 0 ? ` <- ${inputs.map((j) => `n${j}`).join(" ")}` : ""}`;
    });
    const { scene } = laid(graphOf(lines));
    expect(overlaps(scene.frames[0])).toBe(0);
    expect(rising(scene.frames[0])).toBe(0);
  });
});

describe("paths", () => {
  const data = graphOf(["a: X", "b: X <- a", "c: X <- a", "d: X <- b c", "e: X <- d ^c", "f: X"]);
  const tracer = new Tracer(data);
  const named = (marks: Uint8Array): string => data.name.filter((_, i) => marks[i]).join("");

  it("lead up to all that is read and down to all that reads", () => {
    expect(named(tracer.up([3]))).toBe("abcd");
    expect(named(tracer.down([1]))).toBe("bde");
    expect(named(tracer.down([2, 5]))).toBe("cdef");
  });

  it("lead from one to another, whichever comes first", () => {
    expect(named(tracer.between([1], [4]))).toBe("bde");
    expect(named(tracer.between([4], [0]))).toBe("abcde");
    expect(named(tracer.between([1], [5]))).toBe("");
  });

  it("end where they go round", () => {
    const round = new Tracer(graphOf(["a: X <- c", "b: X <- a", "c: X <- b"]));
    expect([...round.up([0])]).toEqual([1, 1, 1]);
  });
});

describe("colours", () => {
  const data = graphOf(["x: Input", "a/p: A <- x", "a/q: B <- a/p", "b/p: A <- a/q", "b/q: B <- b/p"], {
    parameters: [0, 1, 10, 100, 100_000],
    devices: ["cpu", "cuda:0"],
    device: [-1, 0, 1, 1, 1],
  });
  const model = new Model(data);
  const { of, many } = classesOf(model, data);
  const facts = { model, data, classes: of, many, status: null, health: null };

  it("are one for namespaces that are built alike, and none for others", () => {
    const painting = painted(facts, "structure", true);
    expect(painting.of[model.scope("a")]).toBe(hueColour(0, true));
    expect(painting.of[model.scope("b")]).toBe(hueColour(0, true));
    expect(painting.of[0]).toBe("");
    expect(painting.signs).toEqual([{ colour: hueColour(0, true), label: "a, b", many: 2 }]);
  });

  it("are a namespace's only where all of it is on one device", () => {
    const painting = painted(facts, "device", false);
    expect(painting.signs.map(({ label, many: found }) => [label, found])).toEqual([["cuda:0", 3], ["cpu", 1]]);
    expect(painting.of[model.scope("b")]).toBe(hueColour(0, false));
    expect(painting.of[model.scope("a")]).toBe("");
  });

  it("are a scale of numbers, by their logarithm where they are far apart", () => {
    const painting = painted(facts, "parameters", true);
    expect(painting.scale?.kind).toBe("logarithmic");
    expect(painting.scale?.to).toBe("100 k");
    expect(painting.of[4]).toBe(ramp(Math.log(100_000 / 10.01) / Math.log(100_100 / 10.01), true));
    expect(painting.of[0]).toBe("");
    expect(painted(facts, "flops", true).without).toBe("Nothing is known of the FLOPs of any node.");
    const linear = byNumber(Float64Array.of(1, 2, NaN, Infinity, 99), 4, false, String);
    expect(linear.of).toEqual([ramp(0.5, false), ramp(1, false), "", hueColour(8, false), ""]);
  });

  it("have as many hues as the palette, and no more", () => {
    const ops = graphOf(Array.from({ length: 40 }, (_, i) => `n${i}: Op${i}`));
    const painting = painted({ ...facts, model: new Model(ops), data: ops }, "op", true);
    expect(painting.signs).toHaveLength(HUES.length);
    expect(new Set(painting.signs.map(({ colour }) => colour)).size).toBe(HUES.length);
  });
});

describe("values of modules", () => {
  it("are those of a node's module, or of the nearest around it; namespaces have their own, or the greatest within", () => {
    const data = graphOf(["body/0/linear: Linear", "body/1/a/linear: Linear", "body/1/b: Add", "head/x: X", "head/y: X"], {
      modules: ["body.0: Linear(4, 4)", "body.1.a: Linear(4, 4)", "body.1: Block()", "head: Head()"],
      module: [0, 1, 2, 3, 3],
    });
    const model = new Model(data);
    const found = healthOf(model, data, new Map([["body.0", 2], ["body.1", 5]]));
    expect([...found.slice(0, 5)]).toEqual([2, 5, 5, NaN, NaN]);
    expect(found[model.scope("body/1")]).toBe(5);
    expect(found[model.scope("body")]).toBe(5);
    expect(found[model.scope("head")]).toBeNaN();
    expect(found[model.root]).toBe(5);
  });

  it("are the newest, or those of a step", () => {
    const columns = { n: 3, step: Float64Array.of(0, 50, 100), value: Float64Array.of(3, 2, 1) };
    expect([valueAt(columns, null), valueAt(columns, 99), valueAt(columns, -1), valueAt(undefined, null)]).toEqual([1, 2, NaN, NaN]);
  });
});

describe("two graphs", () => {
  const a = graphOf(["x: Input", "a/p: A <- x", "a/q: B <- a/p", "new: C <- a/q"]);
  const b = graphOf(["x: Input", "a/p: A <- x", "a/old: O <- a/p", "a/q: B <- a/old"], { shapes: [["f[1]"], ["float32[2,3]"], ["g"], ["float32[2,3]"]] });
  const { data, status, changes } = compared(a, b);

  it("are one by the names of their nodes, with what only the other has", () => {
    expect(data.name).toEqual(["x", "a/p", "a/q", "new", "a/old"]);
    expect([...status]).toEqual([3, 0, 3, 1, 2]);
    expect(changes.get(0)).toEqual(["shapes: float32[2,3], was f[1]"]);
    expect(changes.get(2)).toEqual(["inputs: a/p, was a/old"]);
    expect(data.from.map((from, e) => `${data.name[from]}>${data.name[data.to[e]]}`)).toEqual(["x>a/p", "a/p>a/q", "a/q>new", "a/p>a/old", "a/old>a/q"]);
    expect(data.shapes[4]).toEqual(["g"]);
  });

  it("are the same where they are", () => {
    expect([...compared(a, a).status]).toEqual([0, 0, 0, 0]);
  });
});

describe("an address", () => {
  it.each([[[]], [["a"]], [["a/b", "a/c", "a"]], [["a/b/c", "d"]], [["a(1)/b,c", "x*", "y\\z/("]]])("keeps open namespaces: %j", (names: string[]) => {
    expect(heardOpen(saidOpen(names)).sort()).toEqual([...names].sort());
  });

  it("says names that begin alike once", () => {
    expect(saidOpen(["encoder", "encoder/layers", "encoder/layers/0", "encoder/layers/1", "decoder/x"])).toBe("encoder(layers(0,1)),decoder*(x)");
  });

  it.each(["(((", ")))", "a(b", ",,,", "*", "\\"])("may hold anything: %s", (text) => {
    expect(heardOpen(text).every((name) => typeof name === "string")).toBe(true);
  });
});

describe("a search", () => {
  const model = new Model(graphOf(["enc/attn/q: linear", "enc/attn/k: linear", "enc/mlp/up: linear", "out: Softmax"]));
  const found = (typed: string, regex = false): string[] => matches(model, searchOf(typed, regex)).map((id) => model.name[id]);

  it("finds names and operations, in their order", () => {
    expect(found("ATTN")).toEqual(["enc/attn", "enc/attn/q", "enc/attn/k"]);
    expect(found("softmax")).toEqual(["out"]);
    expect(found("(q|up)$", true)).toEqual(["enc/attn/q", "enc/mlp/up"]);
    expect(found("(q")).toEqual([]);
  });

  it("tells what is wrong with a regex, and ends whatever it is", () => {
    expect(searchOf("(", true).error).not.toBe("");
    const hostile = searchOf("(a+)+$", true);
    expect(hostile.test(`${"a".repeat(60)}!`)).toBe(false);
  });
});

describe("words and numbers", () => {
  it("are short", () => {
    expect([count(9_999), count(25_557_032), count(0), time(1_234), time(2.5e9), bytes(1_536)]).toEqual(["9,999", "25.6 M", "0", "1.23 µs", "2.5 s", "1.5 KiB"]);
    expect([sizesOf("float32[2,3]"), sizesOf("f[]"), sizesOf("?"), elements("float32[2,?,3]"), elements("f[]"), elements("")]).toEqual(["2×3", "scalar", "?", 6, 1, 0]);
  });

  it("have what is under the pointer stay there", () => {
    const camera = zoomed({ x: 10, y: 20, zoom: 1 }, 2, [100, 50]);
    expect([camera.x + 100 / camera.zoom, camera.y + 50 / camera.zoom]).toEqual([110, 70]);
    expect(fitted({ x: 0, y: 0, width: 100, height: 100 }, 1_000, 1_000).zoom).toBe(1);
  });

  it("shows it below what lies in its corner, and nowhere else where that covers nothing", () => {
    const corner = { width: 300, height: 60 };
    const tall = { x: 0, y: 0, width: 300, height: 600 };
    const below = fittedBelow(tall, 364, 364, corner);
    expect(below.zoom).toBeCloseTo((364 - 60 - 64) / 600);
    expect((tall.y - below.y) * below.zoom).toBeCloseTo(60 + 32);
    expect(fittedBelow(tall, 1_000, 664, corner)).toEqual(fitted(tall, 1_000, 664));
    expect(fittedBelow({ ...tall, height: 10 }, 364, 364, corner)).toEqual(fitted({ ...tall, height: 10 }, 364, 364));
    expect(fittedBelow(tall, 364, 119, corner)).toEqual(fitted(tall, 364, 119));
  });

  it("are written into SVG as text, never as markup", () => {
    const pen = new SvgPen((text) => ({ width: text.length }) as TextMetrics);
    pen.beginPath();
    pen.roundRect(0, 0, 10, 10, 2);
    pen.fill();
    pen.fillText('<script>"&', 1, 2);
    const svg = pen.document(0, 0, 10, 10, "#fff", "<b>");
    expect(svg).toContain("&lt;script&gt;&quot;&amp;");
    expect(svg).toContain("<title>&lt;b&gt;</title>");
    expect(svg).not.toContain("<script>");
  });
});
