import { describe, expect, it } from "vitest";
import { fineness } from "../src/dash/histograms/asking";
import { BadFrame, countIn, decodeHistograms, rowAt, SHARES, strayShare, type Found, type Rows } from "../src/dash/histograms/frame";
import { cellsOf } from "../src/dash/histograms/heat";
import { PICTURES } from "../src/dash/histograms/pictures";
import { countText, faultsOf, inShort, strayText } from "../src/dash/histograms/readout";
import { levelOf, plotOf, spansOf, type Scene } from "../src/dash/histograms/scene";
import { VIEWS } from "../src/dash/histograms/settings";
import { idOf, partsOf, specOf, split } from "../src/dash/histograms/spec";
import { MOST_ZOOMS, withZoom, zoomCodec, zoomOf } from "../src/dash/histograms/zooms";
import { linear } from "../src/chart/scale";

const NAMES = ["at", "step", "wall", "x", "num", "least", "most", "nan", "positive", "negative", "odd"] as const;

function rows(run: string, steps: number[], counts: number[][], more: Partial<Record<(typeof NAMES)[number], number[]>> = {}): Rows {
  const columns = Object.fromEntries(NAMES.map((name) => [name, new Float64Array(more[name] ?? steps.map(() => 0))])) as Record<(typeof NAMES)[number], Float64Array>;
  const all = counts.map((row) => [0, ...row, 0]);
  return {
    ...columns,
    at: new Float64Array(steps.map((_, i) => i)),
    step: new Float64Array(steps),
    x: new Float64Array(steps),
    num: new Float64Array(counts.map((row) => row.reduce((sum, count) => sum + count, 0))),
    run,
    tag: "w",
    generation: 0,
    total: steps.length,
    n: steps.length,
    first: steps[0] ?? null,
    last: steps.at(-1) ?? null,
    origin: 0,
    problems: [],
    counts: new Float32Array(all.flat()),
    shares: new Float64Array(steps.flatMap(() => SHARES.map((share) => share * 3))),
  };
}

const INK = { grid: "#111", axis: "#222", label: "#333", text: "#444", panel: "#000", accent: "#55f", bad: "#f00", dark: true };

function sceneOf(series: Rows[], bins: number): Scene {
  const found: Found = { x: "step", low: 0, high: 3, bins, series };
  return { width: 360, height: 220, found, colours: series.map(() => "#abc"), ink: INK, counting: "count", marked: series.map(() => -1), snap: Math.round };
}

/** A frame as the server lays it out. */
function frame(header: object, columns: number[][]): ArrayBuffer {
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const made = new Uint8Array(8 + text.length + columns.flat().length * 8);
  made.set(new TextEncoder().encode("TLH1"));
  new DataView(made.buffer).setUint32(4, text.length, true);
  made.set(new TextEncoder().encode(text), 8);
  made.set(new Uint8Array(new Float64Array(columns.flat()).buffer), 8 + text.length);
  return made.buffer;
}

describe("a frame", () => {
  const place = (i: number): object => ({ at: 8 * i, type: "f8" });
  const columns = { ...Object.fromEntries(NAMES.map((name, i) => [name, place(i)])), counts: place(11), shares: place(15) };
  const entry = { run: "r", tag: "w", generation: 0, total: 9, n: 1, first: 0, last: 8, origin: 5, problems: [], columns };
  const header = { v: 1, order: "little", x: "step", low: 0, high: 1, bins: 2, series: [entry] };
  const data = [NAMES.map((_, i) => i), [7, 1, 2, 8], SHARES.map((share) => share)];

  it("is read into columns", () => {
    const found = decodeHistograms(frame(header, data));
    const [series] = found.series;
    expect([series.run, series.total, series.step[0], series.odd[0]]).toEqual(["r", 9, 1, 10]);
    expect([0, 1].map((bin) => countIn(found, series, 0, bin))).toEqual([1, 2]);
    expect(series.shares[4]).toBe(0.5);
  });

  it("that is none, or holds less than it says, is refused", () => {
    expect(() => decodeHistograms(new ArrayBuffer(4))).toThrow(BadFrame);
    expect(() => decodeHistograms(new TextEncoder().encode("TLY1\u0000\u0000\u0000\u0000").buffer as ArrayBuffer)).toThrow(BadFrame);
    expect(() => decodeHistograms(frame({ ...header, v: 2 }, data))).toThrow("version 2");
    expect(() => decodeHistograms(frame({ ...header, bins: 200 }, data))).toThrow("does not fit");
  });
});

describe("rows", () => {
  it("are found by a step: the last that is not later", () => {
    const found = rows("r", [0, 10, 20], [[1], [1], [1]]);
    expect([-1, 0, 9, 10, 99].map((step) => rowAt(found, step))).toEqual([-1, 0, 0, 1, 2]);
  });

  it("tell what share of their values was left out", () => {
    const found = rows("r", [3, 4], [[3], [1]], { nan: [1, 0], negative: [0, 1] });
    expect([strayShare(found, 0), strayShare(found, 1)]).toEqual([0.25, 0.5]);
    expect([strayText(found, 0), strayText(found, 1)]).toEqual(["1 NaN (25 %)", "1 −Inf (50 %)"]);
    expect(faultsOf({ x: "step", low: 0, high: 1, bins: 1, series: [found] })).toEqual([
      { run: "r", grave: false, text: "step 4: 1 −Inf (50 %) of the values; 1 other step too" },
    ]);
  });

  it("are said in a line", () => {
    expect(inShort(rows("r", [0], [[2000]], { least: [-1.5], most: [3] }), 0)).toBe("2,000 values, -1.5 … 3, median 1.5");
    expect(countText(32.643)).toBe("32.643");
  });
});

describe("pictures", () => {
  it("have heights from 0 to 1, and zero only for nothing", () => {
    for (const counting of ["count", "log", "own"] as const) {
      expect([0, 100].map((count) => levelOf(count, 100, counting))).toEqual([0, 1]);
      expect(levelOf(1, 100, counting)).toBeGreaterThan(0);
    }
    expect(levelOf(1, 100, "log")).toBeGreaterThan(levelOf(1, 100, "count"));
  });

  it("leave a pause in the training empty", () => {
    const ends = spansOf(rows("r", [0, 1, 2, 100], [[1], [1], [1], [1]]), linear(0, 100, 0, 1000));
    expect(ends[5]).toBeLessThan(ends[6]);
    expect(ends[1]).toBe(ends[2]);
  });

  it("of heat have a cell where something was counted, and none elsewhere", () => {
    const series = rows("r", [0, 1, 2], [[1, 0, 0], [0, 1, 0], [0, 0, 4]]);
    const scene = sceneOf([series], 3);
    const shades = cellsOf(scene, series, plotOf(scene), linear(0, 2, 49, 345), 4);
    const cells = shades.flatMap((cell) => Array.from({ length: cell.length / 4 }, (_, i) => cell.slice(4 * i, 4 * i + 4)));
    expect(cells).toHaveLength(3);
    const tops = cells.sort((a, b) => a[0] - b[0]).map(([, top]) => top);
    expect(tops[0]).toBeGreaterThan(tops[1]);
    expect(tops[1]).toBeGreaterThan(tops[2]);
    expect(shades.at(-1)).toHaveLength(4); // the highest count alone
  });

  it.each(VIEWS)("find under a place what they drew there: %s", (kind) => {
    const scene = sceneOf([rows("a", [0, 1, 2], [[9, 0, 0], [0, 9, 0], [0, 0, 9]])], 3);
    const box = plotOf(scene);
    const spot = PICTURES[kind].spot(scene, box.right - 4, kind === "ridge" ? box.bottom : box.top + 6);
    expect(spot).toMatchObject({ series: 0, row: 2, bin: 2 });
    expect(PICTURES[kind].spot(scene, 3, 100)).toBeNull();
  });

  it.each(VIEWS)("zoom to no more than there is: %s", (kind) => {
    const scene = sceneOf([rows("a", [0, 10], [[1, 2, 3], [3, 2, 1]])], 3);
    const zoom = PICTURES[kind].zoomed(scene, { left: -50, right: 999, top: -50, bottom: 999 });
    expect([zoom.low ?? 0, zoom.high ?? 3]).toEqual([0, 3]);
    expect([zoom.first ?? 0, zoom.last ?? 10]).toEqual([0, 10]);
  });
});

describe("cards", () => {
  const drawn = new Map([["net/w", ["a", "b"]]]);

  it("are one a tag, or one a run", () => {
    const groups = [{ name: "net", title: "net", tags: ["net/w"] }];
    const ids = split(groups, drawn)[0].tags;
    expect(ids.map(partsOf)).toEqual([["net/w", "a"], ["net/w", "b"]]);
    expect(specOf("net/w", "net", "first", drawn)).toMatchObject({ runs: ["a", "b"], name: "net/w", title: ["net/", "w", ""] });
    expect(specOf(idOf("net/w", "b"), "net", "first", drawn)).toMatchObject({ runs: ["b"], name: "net/w, b", title: ["net/", "w", " · b"] });
  });

  it("ask for no more than their pixels show", () => {
    for (const kind of VIEWS) {
      const { rows, bins } = fineness(kind, 340, 208);
      expect(rows).toBeLessThanOrEqual(280);
      expect(bins).toBeLessThanOrEqual(128);
      const wide = fineness(kind, 4000, 2000);
      expect(wide.rows * wide.bins * 10).toBeLessThan(1 << 22);
    }
  });
});

describe("zooms", () => {
  const part = { first: 3, last: 9.5, low: null, high: null };

  it("come back from the address as they were, each of its card and axis", () => {
    let all = withZoom([], "a\u0001run, with 100 % & more", "step", part);
    all = withZoom(all, "a", "wall", { first: null, last: null, low: -1e-300, high: 1.7e308 });
    const again = zoomCodec.decode(zoomCodec.encode(all)) ?? [];
    expect(again).toEqual(all);
    expect(zoomOf(again, "a", "wall").high).toBe(1.7e308);
    expect(zoomOf(again, "a", "step")).toEqual({ first: null, last: null, low: null, high: null });
    expect(withZoom(again, "a", "wall", zoomOf([], "a", "wall"))).toHaveLength(1);
  });

  it("leave out what means nothing", () => {
    const odd = ["", "[]", "{}", '["a","step",1,null,null,null]', '["a","step",9,1,null,null]', '["a","step",null,null,2,2]', '["a","step","1","2",null,null]', '[1,"step",1,2,null,null]', "[".repeat(50_000)];
    expect(zoomCodec.decode([...odd, '["a","step",1,2,null,null]'])).toEqual([{ card: "a", axis: "step", zoom: { first: 1, last: 2, low: null, high: null } }]);
  });

  it("are no more than an address can hold, the latest", () => {
    let all = withZoom([], "first", "step", part);
    for (let i = 0; i < MOST_ZOOMS; i++) all = withZoom(all, `card ${i}`, "step", part);
    expect(all).toHaveLength(MOST_ZOOMS);
    expect([zoomOf(all, "first", "step").first, zoomOf(all, "card 0", "step").first]).toEqual([null, 3]);
  });
});
