import { describe, expect, test } from "vitest";
import { fits, readParts } from "../src/app/runs/parts";
import { isQuery, RunFilter } from "../src/app/runs/filter.svelte";
import { linesOf, treeOf, turned } from "../src/app/runs/tree";

function never(): never {
  throw new Error("a regex asks for nothing but names");
}

function shown(names: string[], folded: readonly string[] = []): string[] {
  return linesOf(treeOf(names), folded).map(
    ({ branch, depth, open }) => `${"  ".repeat(depth)}${branch.label}${branch.children ? ` ${open ? "v" : ">"} ${branch.runs.length}` : ""}`,
  );
}

describe("the tree of runs", () => {
  const names = ["a/seed1/train", "a/seed1/val", "a/seed2/train", "b/only/one", "c", "c/sub"];

  test("stands in the order of the names, with how many runs each folder holds", () => {
    expect(shown(names)).toEqual(["a v 3", "  seed1 v 2", "    train", "    val", "  seed2/train", "b/only/one", "c v 2", "  .", "  sub"]);
  });

  test("hides what is in folded folders, and with * all but the named ones", () => {
    expect(shown(names, ["a/seed1", "c"])).toEqual(["a v 3", "  seed1 > 2", "  seed2/train", "b/only/one", "c > 2"]);
    expect(shown(names, ["*", "a"])).toEqual(["a v 3", "  seed1 > 2", "  seed2/train", "b/only/one", "c > 2"]);
  });

  test("folds and unfolds one folder whichever way the list is kept", () => {
    expect(turned([], "a")).toEqual(["a"]);
    expect(turned(["a"], "a")).toEqual([]);
    expect(turned(["*"], "a")).toEqual(["*", "a"]);
    expect(turned(["*", "a"], "a")).toEqual(["*"]);
  });

  test("knows every run below a folder, itself too when it is a run", () => {
    const [a, , c] = treeOf(names);
    expect(a.runs).toEqual(["a/seed1/train", "a/seed1/val", "a/seed2/train"]);
    expect(c.runs).toEqual(["c", "c/sub"]);
  });

  test("keeps names with odd slashes, markup and no name at all as they are", () => {
    const odd = ["", "/", "//a", "/".repeat(10_000), "<b>/x", "..", "../y", "a".repeat(10_000)];
    expect(treeOf(odd).flatMap(({ runs }) => [...runs]).sort()).toEqual([...odd].sort());
  });

  test("takes 10,000 runs within a frame or few", () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `group${i % 100}/lr=${i % 7}/seed${i}`);
    const start = performance.now();
    expect(linesOf(treeOf(many), []).filter(({ branch }) => !branch.children).length).toBe(10_000);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe("a filter of several parts", () => {
  const names = ["lr=1/train", "lr=1/validation", "lr=0.1/train", "lr=0.1/debug", "wow!/train"];
  const through = (text: string): string[] => names.filter((name) => fits(readParts(text), name));

  test.each([
    ["", names],
    ["train", ["lr=1/train", "lr=0.1/train", "wow!/train"]],
    ["train !lr=1/", ["lr=0.1/train", "wow!/train"]],
    ["!train", ["lr=1/validation", "lr=0.1/debug"]],
    ["!train !debug", ["lr=1/validation"]],
    ["lr=1 & train", ["lr=1/train"]],
    ["lr & ^(?!.*debug) !valid", ["lr=1/train", "lr=0.1/train"]],
    ["train !", ["lr=1/train", "lr=0.1/train", "wow!/train"]],
    ["\\!", ["wow!/train"]],
    ["w! ", []],
  ])("%s", (text, wanted) => {
    expect(through(text)).toEqual(wanted);
  });

  test("names the part that is broken, when there are several", () => {
    expect(() => readParts("train !(a")).toThrow(new SyntaxError("Unterminated group, in (a"));
    expect(() => readParts("!(a")).toThrow(new SyntaxError("Unterminated group"));
  });

  test("keeps the last good one in force while it is broken", () => {
    const filter = new RunFilter(() => names, { of: () => never(), ready: () => never(), want: () => {} });
    filter.set("debug");
    filter.set("debug !(");
    expect([filter.runs, filter.source, filter.error]).toEqual([["lr=0.1/debug"], "debug", "Unterminated group, in ("]);
    filter.set("");
    expect([filter.runs.length, filter.source, filter.error]).toEqual([5, "", null]);
  });
});

describe("what is typed", () => {
  test.each(["hp.lr < 1", "hp[\"a b\"]", "not hp.amp", '(last("loss") < 1', 'run ~ "x"', 'status == "failed"', "status in [", 'started > "2026-01-01"', "duration<2h", "max('x')", "has(hp.x)"])(
    "%s is taken for a query",
    (text) => expect(isQuery(text)).toBe(true),
  );

  test.each(["", "train", "run", "run1", "run.*", "status=3", "started", "lr=0.1", "hp", "hparams", "max", "max(a|b)", "last run", "!run", "^run", "not", "step"])(
    "%s is taken for a regex",
    (text) => expect(isQuery(text)).toBe(false),
  );
});
