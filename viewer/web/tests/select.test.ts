import { describe, expect, test } from "vitest";
import { atStep, overRange, ranked, rowsToCsv } from "../src/chart/select";
import type { Trace } from "../src/chart/trace";

function trace(name: string, x: number[], y: number[]): Trace {
  const xs = Float64Array.from(x);
  const raw = Float64Array.from(y);
  return { name, colour: "#000", n: x.length, x: xs, origin: 0, rising: true, step: xs, wall: xs, raw, line: raw };
}

const a = trace("a", [0, 10, 20, 30], [5, NaN, 1, 4]);
const b = trace("run10,x", [5], [Infinity]);

describe("the table of a selector", () => {
  test("has each run's value at the nearest step", () => {
    expect(atStep([a, b], 22).map(({ name, figures }) => [name, ...figures])).toEqual([
      ["a", 1, 20],
      ["run10,x", Infinity, 5],
    ]);
  });

  test("has the finite least, greatest, first and last over a range, ends included, and the change", () => {
    expect(overRange([a, b], 0, 30).map(({ name, figures }) => [name, ...figures])).toEqual([["a", 1, 5, 5, 4, -1]]);
    expect(overRange([a], 10, 20)[0].figures).toEqual([1, 1, 1, 1, 0]);
    expect(overRange([a], 11, 19)).toEqual([]);
  });

  test("is sorted by any column, by numbers in names, NaN last", () => {
    const rows = [3, NaN, 7].map((value, i) => ({ name: `run${[10, 9, 2][i]}`, colour: "", figures: [value] }));
    expect(ranked(rows, 0, true).map(({ name }) => name)).toEqual(["run2", "run10", "run9"]);
    expect(ranked(rows, 0, false).map(({ name }) => name)).toEqual(["run10", "run2", "run9"]);
    expect(ranked(rows, -1, false).map(({ name }) => name)).toEqual(["run2", "run9", "run10"]);
  });

  test("is copied as CSV", () => {
    expect(rowsToCsv(atStep([b], 0), ["Value", "Step"])).toBe('run,value,step\n"run10,x",Infinity,5\n');
  });
});
