import { describe, expect, test } from "vitest";
import { extentX, extentY, inside } from "../src/chart/extent";
import { hitsAt } from "../src/chart/hover";
import { dragBetween } from "../src/chart/plot";
import { linear } from "../src/chart/scale";
import { summaryOf } from "../src/chart/summary";
import { likeBefore, type Trace } from "../src/chart/trace";

function trace(name: string, x: number[], y: number[], line = y, origin = 0): Trace {
  const raw = Float64Array.from(y);
  const xs = Float64Array.from(x);
  return {
    name,
    colour: "#000",
    n: x.length,
    x: xs,
    origin,
    rising: x.every((value, i) => i === 0 || value >= x[i - 1]),
    step: xs,
    wall: xs,
    raw,
    line: line === y ? raw : Float64Array.from(line),
  };
}

describe("what a chart shows", () => {
  test("in x is all of every run, from its own origin", () => {
    expect(extentX([trace("a", [10, 20], [0, 0], [0, 0], 10), trace("b", [3, 4], [0, 0], [0, 0], 3)], 1)).toEqual({ lo: 0, hi: 10 });
    expect(extentX([trace("back", [5, 1, 9, 2], [0, 0, 0, 0])], 1)).toEqual({ lo: 1, hi: 9 });
  });

  test("in y is every finite value, raw and smoothed, within x", () => {
    const one = trace("a", [0, 1, 2, 3], [1, NaN, Infinity, 3], [1, NaN, Infinity, 5]);
    expect(extentY([one], { lo: 0, hi: 3 })).toEqual({ lo: 1 - 0.2, hi: 5 + 0.2 });
    expect(extentY([one], { lo: 0, hi: 2 })).toEqual({ lo: 0.9, hi: 1.1 });
  });

  test("has room around a single point, and some plane without any", () => {
    expect(extentX([trace("a", [7], [2])], 1)).toEqual({ lo: 6, hi: 8 });
    expect(extentY([trace("a", [7], [0])], { lo: 6, hi: 8 })).toEqual({ lo: -1, hi: 1 });
    expect(extentY([trace("a", [7], [NaN])], { lo: 6, hi: 8 })).toEqual({ lo: 0, hi: 1 });
    expect(extentX([], 1)).toEqual({ lo: 0, hi: 1 });
  });

  test("needs one point beyond each edge, for the lines that cross it", () => {
    const one = trace("a", [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]);
    expect(inside(one, { lo: 1.5, hi: 3 })).toEqual([1, 5]);
    expect(inside(one, { lo: -9, hi: 99 })).toEqual([0, 6]);
  });
});

describe("the pointer", () => {
  const sx = linear(0, 10, 0, 100);
  const sy = linear(0, 10, 100, 0);

  test("finds each run's nearest point in x, the nearest run first", () => {
    const low = trace("low", [0, 5, 10], [1, 1, 1]);
    const high = trace("high", [0, 4, 10], [9, 9, 9]);
    const hits = hitsAt([low, high], sx, sy, 46, 15);
    expect(hits.map(({ trace: { name }, index }) => [name, index])).toEqual([
      ["high", 1],
      ["low", 1],
    ]);
  });

  test("finds points of a run whose x goes back", () => {
    expect(hitsAt([trace("a", [8, 2, 6], [1, 1, 1])], sx, sy, 21, 0)[0].index).toBe(1);
  });

  test("passes over points outside the view and puts those without a place last", () => {
    const hits = hitsAt([trace("odd", [5], [NaN]), trace("gone", [40], [1]), trace("a", [5], [1])], sx, sy, 50, 50);
    expect(hits.map(({ trace: { name } }) => name)).toEqual(["a", "odd"]);
  });

  test("drags x when flat, y when steep, both otherwise, and nothing when it hardly moved", () => {
    const scales = { x: sx, y: sy };
    expect(dragBetween({ x: 20, y: 50 }, { x: 60, y: 55 }, scales)).toEqual({ x: { lo: 20, hi: 60 }, y: null });
    expect(dragBetween({ x: 50, y: 20 }, { x: 52, y: 80 }, scales)).toEqual({ x: null, y: { lo: 20, hi: 80 } });
    expect(dragBetween({ x: 60, y: 80 }, { x: 20, y: 20 }, scales)).toEqual({ x: { lo: 20, hi: 60 }, y: { lo: 20, hi: 80 } });
    expect(dragBetween({ x: 20, y: 20 }, { x: 22, y: 23 }, scales)).toBeNull();
    expect(dragBetween({ x: 60, y: 50 }, { x: 400, y: 50 }, scales)).toEqual({ x: { lo: 60, hi: 100 }, y: null });
  });
});

test("a chart says in words what its runs came to", () => {
  expect(summaryOf("loss", [])).toBe("loss, no points yet");
  expect(summaryOf("loss", [trace("a", [0, 1500], [1, 0.25])])).toBe("loss, 1 run. Last values: a: 0.25 at step 1,500");
  const many = Array.from({ length: 12 }, (_, i) => trace(`r${i}`, [1], [i]));
  expect(summaryOf("loss", many)).toMatch(/^loss, 12 runs\. Last values: r0: 0 at step 1; .*r9: 9 at step 1; and 2 more$/);
});

describe("traces that were drawn", () => {
  const x = Float64Array.from([0, 1]);
  const trace: Trace = { name: "a", colour: "#000", n: 2, x, origin: 0, rising: true, step: x, wall: x, raw: x, line: x };

  test("need no drawing where each has the same arrays, as far filled, in the same colour", () => {
    expect(likeBefore([{ ...trace }, { ...trace, name: "b" }], [trace, { ...trace, name: "b" }])).toBe(true);
    expect(likeBefore([], [])).toBe(true);
  });

  test.each<[string, Trace[]]>([
    ["a point", [{ ...trace, n: 1 }]],
    ["a colour", [{ ...trace, colour: "#fff" }]],
    ["other numbers", [{ ...trace, line: x.slice() }]],
    ["a title", [{ ...trace, label: "A" }]],
    ["where x begins", [{ ...trace, origin: 1 }]],
    ["a run", [trace, trace]],
    ["no run", []],
  ])("need drawing for %s", (_, now) => {
    expect(likeBefore(now, [trace])).toBe(false);
  });

  test("need drawing where they stand for several runs, whose mean is worked out in place", () => {
    const several = { ...trace, runs: ["a", "b"] };
    expect(likeBefore([several], [several])).toBe(false);
  });
});
