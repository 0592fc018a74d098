import { beforeEach, describe, expect, test } from "vitest";
import { bound, boundsOf, ranges, zoomx } from "../src/app/charting";
import { joined, rises, type Points } from "../src/chart/join";
import { acrossOf, epochTags } from "../src/dash/scalars/across";
import { Traces } from "../src/dash/scalars/traces";
import { Columns } from "../src/data/columns";

function columns(step: number[], value: number[]): Columns {
  const made = new Columns();
  const tail = { run: "", tag: "", since: 0, total: step.length, generation: 0 };
  made.append({ ...tail, step: Float64Array.from(step), wall: Float64Array.from(step, (s) => 1000 + s), value: Float64Array.from(value) });
  return made;
}

function points(step: number[], value: number[]): Points {
  return columns(step, value);
}

describe("x by another tag", () => {
  const steps = Float64Array.from([0, 1, 2, 3, 4]);

  test("is its last value at or before each step, and NaN before the first", () => {
    expect([...joined(steps, 5, points([1, 3], [10, 30]))]).toEqual([NaN, 10, 10, 30, 30]);
    expect([...joined(steps, 5, points([], []))]).toEqual([NaN, NaN, NaN, NaN, NaN]);
  });

  test("takes, of several values at a step, the one written last", () => {
    expect([...joined(steps, 5, points([1, 1, 1], [1, 2, 3]))].slice(1)).toEqual([3, 3, 3, 3]);
    expect([...joined(steps, 5, points([3, 1, 1, 2], [9, 1, 2, 5]))]).toEqual([NaN, 2, 5, 9, 9]);
  });

  test("is the same choice for as long as nothing of it changed", () => {
    const [some, others] = [new Map([["epoch", ["a"]]]), new Map([["epoch", ["a", "b"]]])];
    expect(acrossOf("wall", "", others)).toBe(acrossOf("wall", "", some));
    expect(acrossOf("step", "epoch", some)).toBe(acrossOf("step", "epoch", some));
    expect(acrossOf("step", "epoch", others)).not.toBe(acrossOf("step", "epoch", some));
  });

  test("is joined by step also where the steps go back", () => {
    expect([...joined(Float64Array.from([5, 1, 3]), 3, points([1, 3, 5], [10, 30, 50]))]).toEqual([50, 10, 30]);
  });

  test("has no place for what is not finite", () => {
    expect([...joined(steps, 5, points([0, 1, 2], [1, Infinity, NaN]))]).toEqual([1, NaN, NaN, NaN, NaN]);
  });

  test("may go to and fro, which a search has to know", () => {
    expect(rises(Float64Array.from([1, 1, 2]))).toBe(true);
    expect(rises(Float64Array.from([1, 0]))).toBe(false);
    expect(rises(Float64Array.from([NaN, 1]))).toBe(false);
  });
});

describe("the kinds of x", () => {
  const scalars = new Map([
    ["train/epoch", ["a", "b"]],
    ["loss", ["a", "b", "c"]],
    ["epoch", ["b"]],
    ["loss_epoch", ["a"]],
  ]);

  test("know the tags that count epochs, and which of them is a run's own", () => {
    expect(epochTags(scalars)).toEqual(["epoch", "train/epoch"]);
    const { tagOf, tags, kind } = acrossOf("step", "epoch", scalars);
    expect([kind, tags, tagOf?.("a"), tagOf?.("b"), tagOf?.("c")]).toEqual(["value", ["epoch", "train/epoch"], "train/epoch", "epoch", undefined]);
  });

  test("are told apart by a key, and unknown ones are the plain axis", () => {
    expect(acrossOf("wall", "", scalars)).toMatchObject({ key: "wall", kind: "wall", tags: [] });
    expect(acrossOf("wall", "nonsense", scalars)).toMatchObject({ key: "wall", kind: "wall" });
    expect(acrossOf("wall", "first", scalars)).toMatchObject({ key: "first", kind: "step", first: true });
    expect(acrossOf("step", "tag:a/b", scalars)).toMatchObject({ key: "tag:a/b", kind: "value", name: "a/b", tags: ["a/b"] });
  });

  const held = new Map([
    ["loss a", columns([100, 110, 120], [3, 2, 1])],
    ["loss c", columns([7, 8], [5, 6])],
    ["lr a", columns([105, 120], [0.5, 0.25])],
  ]);
  const get = (tag: string, run: string): Columns | undefined => held.get(`${tag} ${run}`);
  const build = (by: string): { name: string; x: number[]; step: number[]; raw: number[]; rising: boolean }[] =>
    new Traces()
      .build("loss", ["a", "c", "none"], get, { across: acrossOf("step", by, scalars), smooth: null, superseded: false, colour: () => "#000" })
      .map(({ name, n, x, origin, step, raw, rising }) => ({
        name,
        x: [...x.subarray(0, n)].map((value) => value - origin),
        step: [...step.subarray(0, n)],
        raw: [...raw.subarray(0, n)],
        rising,
      }));

  test("relative steps count from each run's first", () => {
    expect(build("first").map(({ x }) => x)).toEqual([
      [0, 10, 20],
      [0, 1],
    ]);
  });

  test("a joined x leaves out the runs and points that have none", () => {
    expect(build("tag:lr")).toEqual([{ name: "a", x: [0.5, 0.25], step: [110, 120], raw: [2, 1], rising: false }]);
  });
});

describe("typed ends of axes", () => {
  beforeEach(() => ranges.reset());

  test("are a chart's own; those of x hold only for the axis they were typed for", () => {
    bound("loss", "step", [10, null], [0, 1]);
    expect(boundsOf("loss", "step")).toEqual({ x: [10, null], y: [0, 1] });
    expect(boundsOf("loss", "wall")).toEqual({ x: [null, null], y: [0, 1] });
    expect(boundsOf("acc", "step")).toEqual({ x: [null, null], y: [null, null] });
    bound("loss", "step", [null, null], [null, null]);
    expect(ranges.value).toEqual([]);
  });

  test("go into the address and come back, and anything else there is passed over", () => {
    bound('a"b&c', "tag:x", [1e-9, 2], [null, -3]);
    const params = new URLSearchParams();
    ranges.write(params);
    params.append("range", "nonsense");
    params.append("range", "[1,2]");
    params.append("range", '["t","step","a",{},null,1]');
    const before = ranges.value;
    ranges.reset();
    ranges.read(new URLSearchParams(params.toString()));
    expect(ranges.value).toEqual([...before, { tag: "t", across: "step", x: [null, null], y: [null, 1] }]);
  });

  test("a zoom of all charts is kept with its axis", () => {
    zoomx.value = ["step", 1, 2.5];
    const params = new URLSearchParams();
    zoomx.write(params);
    zoomx.reset();
    zoomx.read(params);
    expect(zoomx.value).toEqual(["step", 1, 2.5]);
    zoomx.read(new URLSearchParams('zoomx=["step",1]'));
    expect(zoomx.value).toBeNull();
  });
});
