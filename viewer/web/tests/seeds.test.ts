import { describe, expect, test } from "vitest";
import golden from "./golden/seeds.json";
import { Columns } from "../src/data/columns";
import type { Hparam, RunFact } from "../src/data/facts";
import { acrossOf } from "../src/dash/scalars/across";
import { Lines } from "../src/dash/scalars/lines";
import { seedGroups } from "../src/dash/scalars/seedgroups";
import { ExactSeeds } from "../src/dash/scalars/exact";
import { SeedLines } from "../src/dash/scalars/seedlines";
import { byKey, spreadOf, student975 } from "../src/dash/scalars/seeds";
import type { BandKind } from "../src/dash/scalars/settings";

const numbers = (values: readonly (number | string)[]): number[] => values.map(Number);

function expectClose(actual: Float64Array, wanted: readonly (number | string)[], what: string): void {
  expect(actual.length, what).toBe(wanted.length);
  numbers(wanted).forEach((value, i) => {
    if (Number.isFinite(value)) expect(Math.abs(actual[i] - value), `${what}[${i}]`).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value)));
    else expect(actual[i], `${what}[${i}]`).toBe(value);
  });
}

describe("several runs as one", () => {
  test.each(Object.entries(golden))("have the figures of tallyboard.aggregate: %s", (_, { runs, step, bands }) => {
    const lines = runs.map(({ step, value }) => byKey(Float64Array.from(step), [Float64Array.from(numbers(value))]));
    for (const [kind, wanted] of Object.entries(bands)) {
      const spread = spreadOf(lines, "mean", kind as BandKind);
      expect([...spread.key]).toEqual(step);
      expect([...spread.count]).toEqual(wanted.count);
      expectClose(spread.centre, wanted.mean, `${kind} mean`);
      expectClose(spread.low, wanted.lower, `${kind} lower`);
      expectClose(spread.high, wanted.upper, `${kind} upper`);
    }
  });

  test("have a median, too, under the band of the mean", () => {
    const lines = [1, 2, 9].map((value) => ({ key: Float64Array.of(0), columns: [Float64Array.of(value)] }));
    const { centre, low, high } = spreadOf(lines, "median", "std");
    expect(centre[0]).toBe(2);
    expect(low[0]).toBeCloseTo(4 - Math.sqrt(19));
    expect(high[0]).toBeCloseTo(4 + Math.sqrt(19));
    expect(spreadOf(lines.slice(1), "median", "std").centre[0]).toBe(5.5);
  });

  test("reach by Student's t", () => {
    expect([student975(1), student975(20), student975(30)].map((t) => t.toFixed(6))).toEqual(["12.706205", "2.085963", "2.042272"]);
  });

  function columnsOf(step: number[], value: number[], wall: number[]): Columns {
    const columns = new Columns();
    columns.append({ run: "", tag: "", since: 0, total: step.length, generation: 0, step: Float64Array.from(step), wall: Float64Array.from(wall), value: Float64Array.from(value) });
    return columns;
  }
  const series: Record<string, Columns> = {
    "a-seed0": columnsOf([0, 1, 2], [1, 2, 3], [100, 110, 120]),
    "a-seed1": columnsOf([0, 1, 2], [3, 4, 5], [500, 530, 560]),
    b: columnsOf([0, 4], [7, 9], [0, 1]),
  };
  const build = (axis: "step" | "relative") => {
    const joining = { groups: seedGroups(Object.keys(series), "regex", "^(.+?)-seed\\d+", [], () => undefined), centre: "mean", band: "minmax", lines: () => new SeedLines() } as const;
    const recipe = { across: acrossOf(axis, "", new Map()), smooth: null, superseded: false, colour: (run: string) => `of ${run}` };
    return new Lines().build([{ tag: "loss", runs: Object.keys(series) }], (_, run) => series[run], recipe, joining);
  };

  test("are one trace that says of how many, in the colour of the first; a run of no group stays a line", () => {
    const [a, b] = build("step");
    expect([a.name, a.colour, [...a.line], [...(a.low ?? [])], [...(a.high ?? [])]]).toEqual(["a (2)", "of a-seed0", [2, 3, 4], [1, 2, 3], [3, 4, 5]]);
    expect([b.name, b.runs, [...b.raw]]).toEqual(["b", ["b"], [7, 9]]);
  });

  test("leave a long run that is by itself its extremes", () => {
    const long = new Columns();
    const at = Float64Array.of(0, 1, 2, 9);
    const shape = { exact: false as const, rows: 4, start: Uint32Array.of(0, 3), points: Uint32Array.of(9, 1), mean: Float64Array.of(2, 5) };
    long.append({ run: "", tag: "", since: 0, total: 10, generation: 0, step: at, wall: at, value: Float64Array.of(1, 90, -60, 5), buckets: shape });
    const joining = { groups: [{ name: "b", runs: ["b"] }], centre: "mean" as const, band: "std" as const, lines: () => new SeedLines() };
    const recipe = { across: acrossOf("step", "", new Map()), smooth: null, superseded: false, colour: () => "" };
    const [b] = new Lines().build([{ tag: "loss", runs: ["b"] }], () => long, recipe, joining);
    expect([b.name, [...b.raw], b.low]).toEqual(["b", [1, 90, -60, 5], undefined]);
  });

  test("stand over another tag where the server says, of a run by itself too, once either is too long for the page", async () => {
    const column = (name: string, value: number[]) => ({ run: name, tag: "loss", since: 0, total: 9, generation: 0, step: Float64Array.of(0, 4), wall: Float64Array.of(0, 4), value: Float64Array.from(value) });
    const asked: unknown[] = [];
    const exact = new ExactSeeds(async (groups) => {
      asked.push(...groups);
      return [column("centre", [1, 90]), column("low", [1, 90]), column("high", [1, 90]), column("count", [1, 1]), column("place", [7, 8.5])];
    });
    const tokens = columnsOf([0, 4], [7, 8], [0, 4]);
    tokens.buckets = { rows: 2, start: Uint32Array.of(0), points: Uint32Array.of(5), mean: Float64Array.of(7.5) };
    const joining = { groups: null, centre: "median", band: "std", lines: () => new SeedLines(), exact } as const;
    const recipe = { across: acrossOf("step", "tag:tokens", new Map([["tokens", ["b"]]])), smooth: null, superseded: false, colour: () => "blue" };
    const lines = new Lines(() => {});
    const look = () => lines.build([{ tag: "loss", runs: ["b"] }], (tag, run) => (tag === "tokens" ? tokens : series[run]), recipe, joining)[0];
    expect([...look().x]).toEqual([7, 8]);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    const { name, colour, x, raw, points, low, buckets } = look();
    expect([name, colour, [...x], [...raw], points, low, buckets]).toEqual(["b", "blue", [7, 8.5], [1, 90], 9, undefined, undefined]);
    expect(asked).toEqual([{ tag: "loss", runs: ["b"], centre: "mean", x: "step", across: ["tokens"], superseded: false, band: "minmax", buckets: { count: 1024 } }]);
  });

  test("stand where they stand on average on an axis of time", () => {
    const [a] = build("relative");
    expect([...a.x].map((x) => x - a.origin)).toEqual([0, 20, 40]);
    expect([...a.line]).toEqual([2, 3, 4]);
  });
});

describe("groups of seeds", () => {
  const fact = (hparams: Record<string, Hparam>): RunFact => ({ status: "finished", started: null, ended: null, path: "", hparams, last_step: null });
  const facts: Record<string, RunFact> = {
    r0: fact({ lr: 0.1, seed: 0, bn: true }),
    r1: fact({ seed: 1, bn: true, lr: 0.1 }),
    r2: fact({ lr: 0.2, seed: 0, bn: true }),
    r3: fact({}),
    r4: fact({}),
  };

  test("have equal hyperparameters but for some, and are called by what tells them apart", () => {
    expect(seedGroups(Object.keys(facts), "hparams", "", ["seed"], (run) => facts[run])).toEqual([
      { name: "lr=0.1", runs: ["r0", "r1"] },
      { name: "lr=0.2", runs: ["r2"] },
      { name: "r3", runs: ["r3"] },
      { name: "r4", runs: ["r4"] },
    ]);
    expect(seedGroups(["r0", "r1"], "hparams", "", ["seed"], (run) => facts[run])).toEqual([{ name: "all runs", runs: ["r0", "r1"] }]);
  });

  test("are found in names by a regex's first group; a broken or an endless one groups nothing and hangs nothing", () => {
    expect(seedGroups(["a_s1", "a_s2", "other"], "regex", "^(.*)_s\\d$", [], () => undefined)).toEqual([
      { name: "a", runs: ["a_s1", "a_s2"] },
      { name: "other", runs: ["other"] },
    ]);
    expect(seedGroups(["a", "b"], "regex", "((", [], () => undefined).map(({ name }) => name)).toEqual(["a", "b"]);
    const long = "a".repeat(60);
    expect(seedGroups([long], "regex", "^((a+)+)b", [], () => undefined)).toEqual([{ name: long, runs: [long] }]);
  });
});

describe("several tags in one chart", () => {
  const points = (value: number): Columns => {
    const columns = new Columns();
    columns.append({ run: "", tag: "", since: 0, total: 2, generation: 0, step: Float64Array.of(0, 1), wall: Float64Array.of(0, 1), value: Float64Array.of(value, value) });
    return columns;
  };
  const recipe = { across: acrossOf("step", "", new Map()), smooth: null, superseded: false, colour: (run: string) => `of ${run}` };

  test("are told apart by strokes, runs by colours, and lines by both names", () => {
    const parts = [
      { tag: "train", runs: ["a", "b"], dash: [] },
      { tag: "val", runs: ["b"], dash: [6, 3] },
    ];
    const traces = new Lines().build(parts, () => points(1), recipe, null);
    expect(traces.map(({ name, run, colour, dash }) => [name, run, colour, dash])).toEqual([
      ["a · train", "a", "of a", []],
      ["b · train", "b", "of b", []],
      ["b · val", "b", "of b", [6, 3]],
    ]);
  });
});
