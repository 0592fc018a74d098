import { describe, expect, test } from "vitest";
import { barAt, Flame, type FlameData } from "../src/dash/profiles/views/flame/graph";
import { around, between, kept, moved, revealing, zoomed } from "../src/dash/profiles/views/trace/camera";
import { fillsOf, shadeOf, type Paper } from "../src/dash/profiles/views/trace/colours";
import { hitAt, readAt, timeAt, xOf } from "../src/dash/profiles/views/trace/hit";
import { idealGrid, Levels } from "../src/dash/profiles/views/trace/levels";
import { briefName, Measured, Painter, type Scene } from "../src/dash/profiles/views/trace/paint";
import { rowAt, rowsOf, tracksAsked, within, type TrackRow } from "../src/dash/profiles/views/trace/rows";
import { rulerOf } from "../src/dash/profiles/views/trace/ruler";
import * as settings from "../src/dash/profiles/views/trace/settings";
import { decodeLevel, FOUND, type CounterAbout, type Level, type Outline, type TrackPage } from "../src/dash/profiles/views/trace/wire";

const WHOLE = { low: 0, high: 1_000 };

describe("the window of time", () => {
  test("never leaves the whole, and never becomes wider", () => {
    expect(kept({ low: -50, high: 50 }, WHOLE)).toEqual({ low: 0, high: 100 });
    expect(kept({ low: 950, high: 1_050 }, WHOLE)).toEqual({ low: 900, high: 1_000 });
    expect(kept({ low: -500, high: 5_000 }, WHOLE)).toEqual(WHOLE);
    expect(kept({ low: 500, high: 500 }, WHOLE)).toEqual({ low: 497.5, high: 502.5 });
  });

  test("zooms about a time, which stays where it is", () => {
    const next = zoomed({ low: 200, high: 400 }, 0.5, 0.25, WHOLE);
    expect(next).toEqual({ low: 225, high: 325 });
    expect(next.low + (next.high - next.low) * 0.25).toBe(200 + 200 * 0.25);
    expect(moved({ low: 200, high: 400 }, 0.1, WHOLE)).toEqual({ low: 220, high: 420 });
  });

  test("goes to a thing only as far as it takes to see it", () => {
    const span = { low: 0, high: 300 };
    expect(revealing(span, { low: 100, high: 150 }, WHOLE)).toBe(span);
    expect(revealing(span, { low: 500, high: 550 }, WHOLE)).toEqual({ low: 375, high: 675 });
    // What would be too narrow to be read is shown from near.
    expect(revealing(WHOLE, { low: 500, high: 502 }, WHOLE)).toEqual({ low: 493, high: 509 });
    expect(around({ low: 100, high: 200 }, WHOLE, 2)).toEqual({ low: 50, high: 250 });
  });

  test("is between two windows on its way, and then there", () => {
    const [from, to] = [WHOLE, { low: 400, high: 410 }];
    const half = between(from, to, 0.5);
    expect(half.high - half.low).toBeCloseTo(100);
    expect(half.low).toBeGreaterThan(0);
    expect(half.low).toBeLessThan(400);
    expect(between(from, to, 1)).toBe(to);
    expect(between({ low: 0, high: 10 }, { low: 20, high: 30 }, 0.25)).toEqual({ low: 5, high: 15 });
  });
});

describe("the ruler", () => {
  test("marks round times in a unit that fits", () => {
    expect(rulerOf(0, 1e9, 0, 5).ticks.map(({ label }) => label)).toEqual(["0", "200 ms", "400 ms", "600 ms", "800 ms", "1.0 s"]);
    expect(rulerOf(500, 2_500, 500, 4).ticks).toEqual([
      { time: 500, label: "0" },
      { time: 1_000, label: "500 ns" },
      { time: 1_500, label: "1.0 µs" },
      { time: 2_000, label: "1.5 µs" },
      { time: 2_500, label: "2.0 µs" },
    ]);
  });

  test("says once what all marks have in common", () => {
    const { base, ticks } = rulerOf(176_234_000, 176_234_400, 0, 4);
    expect(base).toBe("176.234 ms");
    expect(ticks.map(({ label }) => label)).toEqual(["+0", "+100 ns", "+200 ns", "+300 ns", "+400 ns"]);
  });
});

const DEVICE = { name: "Device 0", kind: "device", device: 0 } as const;
const HOST = { name: "python 1", kind: "host", device: -1 } as const;
const PAGE: TrackPage = { total: 3, begin: 0, group: [0, 1, 1], name: ["stream 7", "main", "worker"], lanes: [1, 3, 1], events: [10, 20, 5], groups: [DEVICE, HOST] };
const BUSY: CounterAbout = { id: "busy:0", name: "Busy", unit: "share", device: 0, most: 1 };
const track = (rows: ReturnType<typeof rowsOf>, at: number): TrackRow => rows.ofTrack.get(at) as TrackRow;

describe("rows", () => {
  const all = rowsOf([PAGE], [BUSY], new Set(), false);

  test("a group, its curves, its tracks, and each as high as its lanes", () => {
    expect(all.rows.map((row) => row.kind)).toEqual(["group", "counter", "track", "group", "track", "track"]);
    all.rows.slice(1).forEach((row, i) => expect(row.y).toBe(all.rows[i].y + all.rows[i].height));
    expect(track(all, 1).height - track(all, 0).height).toBe(2 * 18);
    expect(all.height).toBe(all.rows.reduce((sum, row) => sum + row.height, 0));
  });

  test("a folded group has its head alone, a folded track a few thin lanes", () => {
    const group = rowsOf([PAGE], [BUSY], new Set(["python 1"]), false);
    expect(group.rows.map((row) => row.kind)).toEqual(["group", "counter", "track", "group"]);
    expect(group.rows.at(-1)).toMatchObject({ folded: true, tracks: 2 });
    const one = rowsOf([PAGE], [], new Set(["1"]), false);
    expect(track(one, 1)).toMatchObject({ folded: true, shown: 3, laneHeight: 5 });
    expect(tracksAsked(one.rows)).toBe("0,1:3,2");
  });

  test("those at a height are found, also among very many", () => {
    const many = rowsOf([{ ...PAGE, total: 50_000, group: Array(50_000).fill(1), name: Array(50_000).fill("t"), lanes: Array(50_000).fill(1), events: Array(50_000).fill(1) }], [], new Set(), false);
    const middle = track(many, 25_000);
    expect(rowAt(many, middle.y)).toBe(middle);
    expect(within(many, middle.y + 1, middle.y + middle.height + 1)).toEqual([middle, track(many, 25_001)]);
    expect(rowAt(many, -1)).toBeNull();
    expect(rowAt(many, many.height)).toBeNull();
  });

  test("pages that follow go on with their group", () => {
    const next: TrackPage = { total: 4, begin: 3, group: [0], name: ["other"], lanes: [1], events: [1], groups: [HOST] };
    expect(rowsOf([PAGE, next], [], new Set(), false).rows.filter((row) => row.kind === "group")).toHaveLength(2);
  });
});

/** A frame as viewer/span_windows.py writes it. */
function frame(from: number, to: number, grid: number): ArrayBuffer {
  const columns: ArrayBufferView[] = [];
  let at = 0;
  const add = (...parts: ArrayBufferView[]): number => {
    const begin = at;
    for (const part of parts) {
      columns.push(part);
      at += Math.ceil(part.byteLength / 8) * 8;
    }
    return begin;
  };
  const u4 = (...values: number[]): Uint32Array => Uint32Array.from(values);
  const f4 = (...values: number[]): Float32Array => Float32Array.from(values);
  const u1 = (...values: number[]): Uint8Array => Uint8Array.from(values);
  const head = {
    ...{ v: 1, from, to, grid, names: ["gemm", "aten::mm"] },
    lanes: { at: add(u4(0, 1, 1), u4(0, 0, 1), u4(1, 1, 0), u4(0, 0, 1)), n: 3 },
    spans: { at: add(f4(100, 50), f4(200, 900), u4(7, 3), Uint16Array.of(0, 1), u1(1 + FOUND, 9)), n: 2 },
    blocks: { at: add(f4(300), f4(310), u4(12), u1(7), u1(128)), n: 1 },
    counters: [{ id: "busy:0", at: add(f4(0, 0), f4(0.25, 1)), n: 2 }],
  };
  let text = JSON.stringify(head);
  text += " ".repeat((8 - ((text.length + 8) % 8)) % 8);
  const bytes = new Uint8Array(8 + text.length + at);
  bytes.set(new TextEncoder().encode("TLS1"));
  new DataView(bytes.buffer).setUint32(4, text.length, true);
  bytes.set(new TextEncoder().encode(text), 8);
  let place = 8 + text.length;
  for (const part of columns) {
    bytes.set(new Uint8Array(part.buffer), place);
    place += Math.ceil(part.byteLength / 8) * 8;
  }
  return bytes.buffer;
}

describe("answers", () => {
  test("are read without copying, lane by lane", () => {
    const level = decodeLevel(frame(0, 1_000, 16));
    expect([...(level.lanes.get(1) ?? [])]).toEqual([
      [0, { spans: [1, 2], blocks: [0, 0] }],
      [1, { spans: [2, 2], blocks: [0, 1] }],
    ]);
    expect([...level.spans.row]).toEqual([7, 3]);
    expect([...level.blocks.count]).toEqual([12]);
    expect([...(level.counters.get("busy:0")?.most ?? [])]).toEqual([0.25, 1]);
    expect(() => decodeLevel(new ArrayBuffer(16))).toThrow("not a TLS1 frame");
  });

  test("are asked for anew only where those that are held do not do", () => {
    const levels = new Levels(WHOLE);
    const pixels = 50;
    const wide = { low: 0, high: 1_000 };
    expect(levels.enough([0], wide, pixels, "")).toBe(false);
    levels.add({ level: decodeLevel(frame(0, 1_000, 16)), grid: idealGrid(wide, pixels), search: "" });
    expect(levels.enough([0, 1], wide, pixels, "")).toBe(true);
    expect(levels.enough([2], wide, pixels, "")).toBe(false);
    expect(levels.enough([0], wide, pixels, "tgemm")).toBe(false);
    expect(levels.enough([0], { low: 100, high: 200 }, pixels, "")).toBe(false);
    // What lies beside the trace is nothing that has to be asked for.
    expect(levels.enough([0], { low: -500, high: 1_500 }, pixels, "")).toBe(true);
  });

  test("the old level is drawn until a finer one is there, and the finest that covers", () => {
    const levels = new Levels(WHOLE);
    const coarse = decodeLevel(frame(0, 1_000, 16));
    const fine = decodeLevel(frame(100, 300, 2));
    levels.add({ level: coarse, grid: 16, search: "" });
    expect(levels.best(0, { low: 150, high: 250 }, 50, "")).toBe(coarse);
    levels.add({ level: fine, grid: 2, search: "" });
    expect(levels.best(0, { low: 150, high: 250 }, 50, "")).toBe(fine);
    expect(levels.best(0, { low: 50, high: 250 }, 100, "")).toBe(coarse);
    for (let i = 0; i < 20; i++) levels.add({ level: decodeLevel(frame(i, 40 + i, 0.5)), grid: 0.5, search: "" });
    expect(levels.all).toHaveLength(8);
    expect(levels.best(0, WHOLE, 50, "")).toBe(coarse);
  });
});

const PAPER: Paper = { bg: "#ffffff", panel: "#fff", raise: "#eee", line: "#ddd", edge: "#ccc", ink: "#000", ink2: "#333", ink3: "#555", accent: "#00f", font: "sans-serif", dark: false };
const KINDS = ["other", "kernel", "comm_kernel", "memcpy", "memset", "device_annotation", "device_sync", "runtime", "driver", "cpu_op", "comm_op", "annotation", "step", "dataload", "compile", "py_function", "module"];

function scene(level: Level, change: Partial<Scene> = {}): Scene {
  const levels = new Levels(WHOLE);
  levels.add({ level, grid: level.grid, search: "" });
  const outline: Outline = { tracks: PAGE, ...WHOLE, base: null, events: 35, deepest: 3, steps: { name: ["1"], start: [0], end: [1_000], total: 1 }, kinds: KINDS, counters: [BUSY], strip: [] };
  return { width: 1_100, height: 400, side: 100, top: 0, span: WHOLE, rows: rowsOf([PAGE], [BUSY], new Set(), false), levels, search: "", outline, fills: fillsOf(KINDS, PAPER), paper: PAPER, pixels: 1_000, ...change };
}

/** A context that notes what is filled and written. */
function noted(): { context: CanvasRenderingContext2D; rects: [string, number, number, number, number][]; texts: string[] } {
  const rects: [string, number, number, number, number][] = [];
  const texts: string[] = [];
  const context = new Proxy({} as Record<string, unknown>, {
    get: (held, key: string) => {
      if (key in held) return held[key];
      if (key === "fillRect") return (...place: [number, number, number, number]) => rects.push([String(held["fillStyle"]), ...place]);
      if (key === "fillText") return (text: string) => texts.push(text);
      if (key === "measureText") return (text: string) => ({ width: text.length * 6 });
      return () => undefined;
    },
  });
  return { context: context as unknown as CanvasRenderingContext2D, rects, texts };
}

describe("drawing", () => {
  test("a span is where its time is, and has its name where there is room", () => {
    const at = scene(decodeLevel(frame(0, 1_000, 16)));
    const { context, rects, texts } = noted();
    const painter = new Painter(context, at, new Measured());
    painter.paint();
    expect(painter.drawn).toBe(3);
    const y = track(at.rows, 0).y + 2;
    expect(rects.filter(([, , top, , tall]) => top === y && tall === 16).map(([, x, , width]) => [x, width])).toEqual([[200, 99]]);
    expect(texts).toEqual(["gemm", "aten::mm"]);
  });

  test("what a search leaves out is dim", () => {
    const level = decodeLevel(frame(0, 1_000, 16));
    const at = scene(level, { search: "tgemm" });
    const { context, rects } = noted();
    new Painter(context, at, new Measured()).paint();
    expect(rects.some(([style]) => style === at.fills[1].hit)).toBe(true);
    expect(rects.some(([style]) => style === at.fills[9].dim)).toBe(true);
  });

  test("only what is in the window is drawn", () => {
    const at = scene(decodeLevel(frame(0, 1_000, 16)), { span: { low: 250, high: 350 } });
    const painter = new Painter(noted().context, at, new Measured());
    painter.paint();
    expect(painter.drawn).toBe(2);
  });

  test("names are cut to what tells them apart", () => {
    expect(briefName("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor>(int)")).toBe("at::native::vectorized_elementwise_kernel");
    expect(briefName("/usr/lib/python3/site-packages/torch/nn/modules/conv.py(440): forward")).toBe("conv.py(440): forward");
    expect(briefName("aten::mm")).toBe("aten::mm");
    expect(shadeOf("aten::mm")).toBe(shadeOf("aten::mm"));
    const { context } = noted();
    expect(new Measured().fitting(context, "abcdefghij", 38)).toBe("abcde…");
    expect(new Measured().fitting(context, "abcdefghij", 12)).toBe("");
  });
});

describe("pointing", () => {
  const at = scene(decodeLevel(frame(0, 1_000, 16)));
  const y = (one: number, lane: number): number => track(at.rows, one).y + 2 + lane * 18 + 5;

  test("finds the span or the block, with some pixels to spare", () => {
    expect(hitAt(at, xOf(at, 150), y(0, 0))).toMatchObject({ row: 7, name: "gemm", count: 1, start: 100, end: 200 });
    expect(hitAt(at, xOf(at, 305), y(1, 1))).toMatchObject({ row: -1, count: 12, kind: 7 });
    expect(hitAt(at, xOf(at, 202), y(0, 0))?.row).toBe(7);
    expect(hitAt(at, xOf(at, 210), y(0, 0))).toBeNull();
    expect(hitAt(at, 50, y(0, 0))).toBeNull();
    expect(timeAt(at, xOf(at, 123))).toBeCloseTo(123);
  });

  test("reads curves", () => {
    const row = at.rows.rows[1];
    expect(readAt(at, xOf(at, 700), row.y + 10)).toMatchObject({ counter: BUSY, least: 0, most: 1 });
    expect(readAt(at, xOf(at, 100), row.y + 10)?.most).toBe(0.25);
  });
});

test("what is selected stands in the address as it was", () => {
  const { codec } = settings.selection;
  const range = { low: 1_500, high: 2_000_250, tracks: [0, 3] };
  expect(codec.encode(range)).toEqual(["1.5-2000.25:0.3"]);
  expect(codec.decode(["1.5-2000.25:0.3"])).toEqual(range);
  expect(codec.decode(["5-6"])).toEqual({ low: 5_000, high: 6_000, tracks: [] });
  for (const bad of ["", "6-5", "x-1", "1-2:y"]) expect(codec.decode([bad])).toBeNull();
  expect(settings.event.codec.decode(["12"])).toBe(12);
  expect(settings.event.codec.decode(["-1"])).toBeNull();
});

const FLAME: FlameData = {
  names: ["all", "Step", "mm", "relu"],
  name: [0, 1, 3, 2, 3],
  parent: [-1, 0, 0, 1, 3],
  total: [100, 80, 20, 60, 10],
  self: [0, 20, 20, 50, 10],
  count: [3, 2, 1, 2, 1],
  kind: [0, 12, 9, 9, 9],
  hidden: [0, 0, 0, 4, 0],
  nodes: 9,
};

describe("a flame graph", () => {
  const flame = new Flame(FLAME);

  test("bars are as wide as their share, below what calls them, the larger first", () => {
    expect(flame.bars(0, 0.001).map(({ node, depth, low, high }) => [node, depth, low, high])).toEqual([
      [0, 0, 0, 1],
      [1, 1, 0, 0.8],
      [3, 2, 0, 0.6],
      [4, 3, 0, expect.closeTo(0.1)],
      [2, 1, 0.8, 1],
    ]);
    expect(flame.bars(0, 0.15).map(({ node }) => node)).toEqual([0, 1, 3, 2]);
  });

  test("a bar that was chosen is as wide as the picture, and so is what holds it", () => {
    const bars = flame.bars(3, 0.001);
    expect(bars.map(({ node, low, high }) => [node, low, high])).toEqual([
      [0, 0, 1],
      [1, 0, 1],
      [3, 0, 1],
      [4, 0, expect.closeTo(1 / 6)],
    ]);
    expect(barAt(bars, 0.1, 3)?.node).toBe(4);
    expect(barAt(bars, 0.5, 3)).toBeNull();
    expect(flame.find(["Step", "mm", "gone"])).toBe(3);
    expect(flame.path(4)).toEqual([0, 1, 3, 4]);
  });

  test("a search counts time within what it found once", () => {
    expect(flame.matches("MM")).toEqual({ nodes: new Set([3]), total: 60, count: 2 });
    expect(flame.matches("e")).toMatchObject({ total: 100, count: 4 });
    expect(flame.matches("")).toMatchObject({ total: 0 });
  });
});
