import { describe, expect, test } from "vitest";
import { decimate, oddities, Path } from "../src/chart/decimate";
import { linear } from "../src/chart/scale";

function points(path: Path): [number, number][] {
  return Array.from({ length: path.length / 2 }, (_, i) => [path.xy[2 * i], path.xy[2 * i + 1]]);
}

function decimated(y: number[], width: number, cell = 1): [number, number][] {
  const path = new Path();
  const x = Float64Array.from(y, (_, i) => i);
  decimate(x, Float64Array.from(y), 0, 0, y.length, linear(0, y.length, 0, width), linear(0, 1, 0, 1), cell, path);
  return points(path);
}

describe("decimation", () => {
  test("keeps both extremes of every pixel column and at most two points in each", () => {
    const y = Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 7) + (i === 4321 ? 50 : 0) - (i === 7777 ? 50 : 0));
    const kept = decimated(y, 100);
    expect(kept.length).toBeLessThanOrEqual(200);
    for (let column = 0; column < 100; column++) {
      const inside = y.slice(column * 100, column * 100 + 100);
      const shown = kept.filter(([x]) => Math.floor(x) === column).map(([, value]) => value);
      expect(Math.min(...shown)).toBeCloseTo(Math.min(...inside), 5);
      expect(Math.max(...shown)).toBeCloseTo(Math.max(...inside), 5);
    }
  });

  test("keeps the order in which the extremes came", () => {
    expect(decimated([5, 0, 9, 4], 1).map(([, y]) => y)).toEqual([0, 9]);
    expect(decimated([5, 9, 0, 4], 1).map(([, y]) => y)).toEqual([9, 0]);
  });

  test("keeps every point where there is room for it", () => {
    expect(decimated([3, 1, 2], 300)).toEqual([
      [0, 3],
      [100, 1],
      [200, 2],
    ]);
  });

  test("lifts the pen once for a stretch without finite values, and never at the start", () => {
    const kept = decimated([NaN, 1, NaN, Infinity, 2, -Infinity], 600);
    expect(kept).toEqual([
      [100, 1],
      [NaN, NaN],
      [400, 2],
      [NaN, NaN],
    ]);
  });

  test("holds far places within what a rasteriser can take", () => {
    const path = new Path();
    decimate(Float64Array.of(0, 1), Float64Array.of(1e300, -1e300), 0, 0, 2, linear(0, 1, 0, 10), linear(0, 1, 10, 0), 1, path);
    expect(points(path).map(([, y]) => y)).toEqual([-1e5, 1e5]);
  });

  test("outgrows its first buffer", () => {
    const y = Array.from({ length: 20_000 }, (_, i) => i % 2);
    expect(decimated(y, 20_000).length).toBe(20_000);
  });
});

describe("thinning", () => {
  const path = (places: readonly (readonly [number, number])[]): Path => {
    const made = new Path();
    for (const [x, y] of places) made.push(x, y);
    return made;
  };
  const thinned = (places: readonly (readonly [number, number])[], away = 0.1): [number, number][] => {
    const made = path(places);
    made.thin(away);
    return points(made);
  };
  /** How high a drawn line stands at x. */
  const heightAt = (line: readonly [number, number][], x: number): number => {
    const i = Math.max(1, line.findIndex(([at]) => at >= x));
    const [[x0, y0], [x1, y1]] = [line[i - 1], line[i]];
    return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
  };

  test("leaves two points of a straight line, and its corners of one that turns", () => {
    expect(thinned(Array.from({ length: 500 }, (_, i) => [i / 2, i * 3] as const))).toEqual([
      [0, 0],
      [249.5, 1497],
    ]);
    const roof = Array.from({ length: 9 }, (_, i) => [i, i < 5 ? i : 8 - i] as const);
    expect(thinned(roof)).toEqual([
      [0, 0],
      [4, 4],
      [8, 0],
    ]);
  });

  test("keeps a line within what it may be off, wherever points went", () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
    let height = 50;
    const walk = Array.from({ length: 2_000 }, (_, i) => [Math.fround(i * 0.4), (height += (random() - 0.5) * (i < 1_000 ? 0.1 : 3))] as const);
    const kept = thinned(walk);
    expect(kept.length).toBeLessThan(1_400);
    expect(kept[0][0]).toBe(0);
    expect(kept.at(-1)?.[0]).toBe(walk[1_999][0]);
    for (const [x, y] of walk) expect(Math.abs(heightAt(kept, x) - y)).toBeLessThan(0.1001);
  });

  test("keeps gaps, points alone between them, and what goes back or straight up", () => {
    const places: [number, number][] = [[0, 1], [1, 1], [2, 1], [NaN, NaN], [3, 1], [NaN, NaN], [4, 1], [5, 1], [6, 1], [6, 9], [6, 20], [5, 20], [4, 20]];
    expect(thinned(places)).toEqual([[0, 1], [2, 1], [NaN, NaN], [3, 1], [NaN, NaN], [4, 1], [6, 1], [6, 9], [6, 20], [5, 20], [4, 20]]);
    expect(thinned([])).toEqual([]);
    expect(thinned([[NaN, NaN], [1, 2]])).toEqual([[NaN, NaN], [1, 2]]);
  });
});

describe("marks of values that are not finite", () => {
  test("name their kind, stand where the line was, and do not crowd", () => {
    const y = Float64Array.of(NaN, 3, NaN, NaN, Infinity, -Infinity, 1, NaN);
    const x = Float64Array.from(y, (_, i) => i);
    const marks = oddities(x, y, 0, 0, 8, linear(0, 8, 0, 80), linear(0, 10, 0, 10), 15);
    expect(marks).toEqual([
      { kind: "nan", x: 0, y: NaN },
      { kind: "nan", x: 20, y: 3 },
      { kind: "up", x: 40, y: 3 },
      { kind: "down", x: 50, y: 3 },
      { kind: "nan", x: 70, y: 1 },
    ]);
  });
});
