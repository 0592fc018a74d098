import { describe, expect, test } from "vitest";
import { sharedPrefix, splitName } from "../src/data/names";
import { naturally, sortNaturally } from "../src/data/order";

describe("natural order", () => {
  test.each([
    [["run10", "run9", "run1"], ["run1", "run9", "run10"]],
    [["lr=0.03", "lr=0.003", "lr=1.0", "lr=0.25", "lr=0.5"], ["lr=0.003", "lr=0.03", "lr=0.25", "lr=0.5", "lr=1.0"]],
    [["lr=1e-3", "lr=3e-05", "lr=0.0001"], ["lr=3e-05", "lr=0.0001", "lr=1e-3"]],
    [["v1.10.0", "v1.9.2"], ["v1.9.2", "v1.10.0"]],
    [["b/train", "a/validation", "a/train", "."], [".", "a/train", "a/validation", "b/train"]],
    [["run_2e", "run_10e"], ["run_2e", "run_10e"]],
    [["Beta", "alpha"], ["alpha", "Beta"]],
  ])("of %o is %o", (names, sorted) => {
    expect(sortNaturally(names)).toEqual(sorted);
    expect([...names].sort(naturally)).toEqual(sorted);
  });

  test("never calls two different names equal", () => {
    expect(naturally("run01", "run1")).not.toBe(0);
    expect(naturally("A", "a")).not.toBe(0);
  });
});

describe("long names", () => {
  const sweep = ["n0/lr=0.0018-seed=0/train", "n1/lr=0.02-seed=1/train"].map((end) => `sweep-2026/resnet50-augment-${end}`);

  test("lose the front that all of them share, up to a separator", () => {
    expect(sweep[0].slice(sharedPrefix(sweep))).toBe("n0/lr=0.0018-seed=0/train");
  });

  test("keep it where names are short, alone, or share little", () => {
    expect(sharedPrefix(["digits/lr=0.1/train", "digits/lr=0.2/train"])).toBe(0);
    expect(sharedPrefix([sweep[0]])).toBe(0);
    expect(sharedPrefix([...sweep, "other/a-run-with-quite-a-long-name/train"])).toBe(0);
  });

  test("are split before a separator near their end, or bluntly where there is none", () => {
    expect(splitName("n0/lr=0.0018-wd=0.0001-seed=0/train")).toEqual(["n0/lr=0.0018-wd=0.0001", "-seed=0/train"]);
    expect(splitName("x".repeat(40))).toEqual(["x".repeat(26), "x".repeat(14)]);
    expect(splitName("short/name")).toEqual(["short/name", ""]);
  });

  test("lose nothing by being split", () => {
    for (const name of [...sweep, "", "/", "-".repeat(60)]) expect(splitName(name).join("")).toBe(name);
  });
});
