import { describe, expect, test } from "vitest";
import { compile, Filter } from "../src/app/filter.svelte";
import { ALL, isOn, soloed, tick, tickAll } from "../src/app/selection";
import { decode, encode, FRESH, type Saved } from "../src/app/url";

describe("the address", () => {
  const full: Saved = {
    dash: "text",
    runs: "lr=0\\.1|(a&b)",
    tags: "^loss #1+",
    smoothing: 0.95,
    axis: "wall",
    rise: "symlog",
    bent: true,
    superseded: true,
    selection: { mode: "except", names: new Set(["digits/lr=0.1/train", "ä & ö=#?"]) },
    folded: ["", "train"],
    wide: ["train/loss"],
  };

  test("brings back everything that a person set", () => {
    expect(decode(`#${encode(full)}`)).toEqual(full);
  });

  test("is empty as long as nobody set anything", () => {
    expect(encode(FRESH)).toBe("");
    expect(decode("")).toEqual(FRESH);
  });

  test("tells only some runs from none at all", () => {
    const only: Saved = { ...FRESH, selection: { mode: "only", names: new Set(["b", "a"]) } };
    expect(encode(only)).toBe("only=a&only=b");
    expect(decode(encode(only))).toEqual(only);
    const none: Saved = { ...FRESH, selection: { mode: "only", names: new Set() } };
    expect(decode(encode(none))).toEqual(none);
  });

  test.each(["smoothing=much&x=sideways&y=up&xlog=yes", "smoothing=NaN", "%E0%A4%A", "&&==&"])("survives nonsense: %s", (hash) => {
    const { smoothing, axis, selection } = decode(hash);
    expect([smoothing, axis, selection]).toEqual([FRESH.smoothing, FRESH.axis, ALL]);
  });

  test("keeps smoothing within its bounds", () => {
    expect(decode("smoothing=7").smoothing).toBe(0.99);
    expect(decode("smoothing=-1").smoothing).toBe(0);
    expect(decode("smoothing=0").smoothing).toBe(0);
  });
});

describe("a filter", () => {
  test("matches anywhere and in any case; empty matches everything", () => {
    const filter = new Filter("LR=0");
    expect([filter.matches("digits/lr=0.1"), filter.matches("digits/wd=0")]).toEqual([true, false]);
    expect(new Filter().matches("anything")).toBe(true);
  });

  test("that breaks while being typed says why and keeps its last good state", () => {
    const filter = new Filter("train");
    filter.set("train(");
    expect(filter.text).toBe("train(");
    expect(filter.error).toMatch(/unterminated group/i);
    expect(filter.source).toBe("train");
    expect([filter.matches("train"), filter.matches("validation")]).toEqual([true, false]);
    filter.set("valid");
    expect([filter.error, filter.matches("validation")]).toEqual([null, true]);
  });

  test("that was broken from the start lets everything through", () => {
    expect(new Filter("[").matches("x")).toBe(true);
  });

  test("names the reason without repeating the pattern", () => {
    expect(compile("a/(").error).not.toContain("a/(");
  });
});

describe("the ticks of runs", () => {
  const runs = ["a", "b", "c"];
  const on = (selection: typeof ALL): string[] => runs.filter((run) => isOn(selection, run));

  test("are all set at first, for runs to come as well", () => {
    expect(on(ALL)).toEqual(runs);
    expect(isOn(ALL, "later")).toBe(true);
  });

  test("change one by one", () => {
    const without = tick(ALL, ["b"], false);
    expect(on(without)).toEqual(["a", "c"]);
    expect(on(tick(without, ["b"], true))).toEqual(runs);
  });

  test("change for what the filter lets through and leave the rest alone", () => {
    const none = tickAll(ALL, runs, false, true);
    expect(on(none)).toEqual([]);
    expect(isOn(none, "later")).toBe(false);
    expect(on(tickAll(none, ["b", "c"], true, false))).toEqual(["b", "c"]);
    expect(tickAll(none, runs, true, true)).toBe(ALL);
  });

  test("go to a single run, and back to all when it is asked for again", () => {
    const alone = soloed(ALL, "b", runs);
    expect(on(alone)).toEqual(["b"]);
    expect(on(soloed(alone, "c", runs))).toEqual(["c"]);
    expect(soloed(alone, "b", runs)).toBe(ALL);
  });
});
