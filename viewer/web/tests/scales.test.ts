import { describe, expect, test } from "vitest";
import { decimate, Path } from "../src/chart/decimate";
import { extentY } from "../src/chart/extent";
import { hitsAt } from "../src/chart/hover";
import { linear, log, symlog, symlogUnit, toData, toPixel, type Scale } from "../src/chart/scale";
import { logTicks, symlogTicks } from "../src/chart/ticks";
import type { Trace } from "../src/chart/trace";

function trace(x: number[], y: number[]): Trace {
  const raw = Float64Array.from(y);
  const xs = Float64Array.from(x);
  return { name: "a", colour: "#000", n: x.length, x: xs, origin: 0, rising: true, step: xs, wall: xs, raw, line: raw };
}

describe("a scale", () => {
  const scales: [string, Scale][] = [
    ["linear", linear(-5, 20, 100, 0)],
    ["log", log(1e-6, 1e3, 100, 0)],
    ["symlog", symlog(-1e4, 1e4, 0, 500, 0.1)],
  ];

  test.each(scales)("%s starts and ends where it says, and leads back to the data", (_, scale) => {
    expect(toPixel(scale, scale.d0)).toBeCloseTo(scale.r0, 9);
    expect(toPixel(scale, scale.d1)).toBeCloseTo(scale.r1, 9);
    for (const share of [0, 0.1, 0.5, 0.77, 1]) {
      const pixel = scale.r0 + share * (scale.r1 - scale.r0);
      expect(toPixel(scale, toData(scale, pixel))).toBeCloseTo(pixel, 6);
    }
  });

  test("log gives equal ratios equal lengths, and has no place for 0 and below", () => {
    const scale = log(0.01, 100, 0, 400);
    expect([0.1, 1, 10].map((value) => toPixel(scale, value))).toEqual([100, 200, 300]);
    expect(toPixel(scale, 0)).toBeNaN();
    expect(toPixel(scale, -1)).toBeNaN();
  });

  test("symlog is the same on both sides of zero", () => {
    const scale = symlog(-100, 100, 0, 200, 1);
    expect(toPixel(scale, 0)).toBe(100);
    expect(toPixel(scale, 7) + toPixel(scale, -7)).toBeCloseTo(200, 9);
    expect(symlogUnit(-3, 250)).toBe(0.1);
    expect(symlogUnit(0, 0)).toBe(1);
  });
});

describe("a logarithmic chart", () => {
  test("fits the positive values alone", () => {
    const { lo, hi } = extentY([trace([0, 1, 2, 3], [-5, 0, 0.01, 100])], { lo: 0, hi: 3 }, "log");
    expect(lo).toBeGreaterThan(0.005);
    expect(lo).toBeLessThan(0.01);
    expect(hi).toBeGreaterThan(100);
    expect(hi).toBeLessThan(200);
    expect(extentY([trace([0], [-1])], { lo: 0, hi: 1 }, "log")).toEqual({ lo: 0.1, hi: 1 });
    expect(extentY([trace([0], [8])], { lo: 0, hi: 1 }, "log")).toEqual({ lo: 4, hi: 16 });
  });

  test("has room that looks alike on both sides of a symmetric logarithm", () => {
    const { lo, hi } = extentY([trace([0, 1], [0, 1000])], { lo: 0, hi: 1 }, "symlog");
    expect(lo).toBeGreaterThan(-1);
    expect(lo).toBeLessThan(0);
    expect(hi).toBeGreaterThan(1000);
    expect(hi).toBeLessThan(2000);
    expect(extentY([trace([0], [3])], { lo: 0, hi: 1 }, "symlog").lo).toBeCloseTo(2.7, 9);
  });

  test("lifts the pen over what it has no place for, and keeps the rest", () => {
    const path = new Path();
    decimate(Float64Array.of(0, 1, 2, 3), Float64Array.of(1, 0, -2, 10), 0, 0, 4, linear(0, 3, 0, 300), log(1, 10, 100, 0), 1, path);
    expect([...path.xy.subarray(0, path.length)]).toEqual([0, 100, NaN, NaN, 300, 0]);
  });

  test("draws every column's extremes where steps are bent, too", () => {
    const n = 5000;
    const y = Float64Array.from({ length: n }, (_, i) => (i === 4321 ? 9 : 1));
    const path = new Path();
    decimate(Float64Array.from(y, (_, i) => i), y, 0, 0, n, symlog(0, n, 0, 200, 1), linear(0, 10, 10, 0), 1, path);
    const heights = [...path.xy.subarray(0, path.length)].filter((_, i) => i % 2 === 1);
    expect(Math.min(...heights)).toBeCloseTo(1, 5);
    expect(path.length / 2).toBeLessThanOrEqual(402);
  });

  test("finds the nearest point through both bends", () => {
    const sx = symlog(0, 1000, 0, 300, 1);
    const hits = hitsAt([trace([0, 10, 1000], [1, 10, 100])], sx, log(1, 100, 200, 0), toPixel(sx, 10) + 2, 100);
    expect([hits[0].index, Math.round(hits[0].py)]).toEqual([1, 100]);
  });
});

describe("ticks of a logarithm", () => {
  test("are decades, with 2 and 5 where there is room", () => {
    expect(logTicks({ lo: 0.001, hi: 10 }, 5).labels).toEqual(["0.001", "0.01", "0.1", "1", "10"]);
    expect(logTicks({ lo: 1, hi: 100 }, 8).labels).toEqual(["1", "2", "5", "10", "20", "50", "100"]);
    expect(logTicks({ lo: 1e-12, hi: 1e6 }, 5).labels).toEqual(["1e-12", "1e-8", "1e-4", "1", "1e4"]);
  });

  test("are round numbers within a decade", () => {
    expect(logTicks({ lo: 0.2, hi: 0.9 }, 4).labels).toEqual(["0.2", "0.4", "0.6", "0.8"]);
  });

  test("of both signs stand on both sides of zero", () => {
    expect(symlogTicks({ lo: -100, hi: 1000 }, 9, 1).labels).toEqual(["-100", "-10", "0", "10", "100", "1000"]);
  });

  test("are none where there is no range", () => {
    expect(logTicks({ lo: 0, hi: 1 }, 5).values).toEqual([]);
    expect(symlogTicks({ lo: 1, hi: 1 }, 5, 1).values).toEqual([]);
  });
});
