// @vitest-environment jsdom
import { beforeEach, describe, expect, test } from "vitest";
import { best, score } from "../src/app/fuzzy";
import { Views } from "../src/app/views.svelte";
import type { Sidecar } from "../src/data/sidecar.svelte";

const texts = (...all: string[]): { text: string }[] => all.map((text) => ({ text }));
const order = (typed: string, ...all: string[]): string[] => best(typed, texts(...all), 10).map(({ text }) => text);

describe("the search of the palette", () => {
  test("finds letters in their order, wherever they stand", () => {
    expect([score("tl", "train/loss"), score("lt", "train/loss"), score("", "a")]).toEqual([expect.any(Number), null, 0]);
    expect(order("loss train", "train/accuracy", "train/loss", "loss")).toEqual(["train/loss"]);
    expect(order("tlo", "metrics/total", "train/loss", "xyz")).toEqual(["train/loss"]);
  });

  test("puts first what stands together, then what begins words", () => {
    expect(order("loss", "l-o-s-s", "my floss", "val/loss", "loss")).toEqual(["loss", "val/loss", "my floss", "l-o-s-s"]);
    expect(order("hd", "thread", "horizontal data")).toEqual(["horizontal data", "thread"]);
  });

  test("keeps things in their order when nothing is typed, and gives no more than asked for", () => {
    expect(best(" ", texts("b", "a", "c"), 2)).toEqual(texts("b", "a"));
  });

  test("looks through 40,000 names within a blink", () => {
    const many = Array.from({ length: 40_000 }, (_, i) => ({ text: `sweep/lr=${i % 9}/seed=${i}/train/loss` }));
    // The quickest of some: on a busy machine any one may have had to wait.
    const times = Array.from({ length: 10 }, () => {
      const start = performance.now();
      expect(best("seed 39 lo", many, 50).length).toBe(50);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(500);
  });
});

describe("views", () => {
  const off = { writable: false, sections: { runs: {}, views: {}, charts: {} } } as unknown as Sidecar;
  beforeEach(() => localStorage.clear());

  test("are kept by the browser where the server keeps nothing, for each logdir its own", async () => {
    const restored: string[] = [];
    const views = new Views(off, () => "runs", (hash) => restored.push(hash));
    await views.save("b", "y=log");
    await views.save("a", "x=wall");
    await views.save("default", "");
    expect(views.list.map(({ name }) => name)).toEqual(["default", "a", "b"]);
    await views.rename("b", "z");
    await views.remove("a");
    const again = new Views(off, () => "runs", (hash) => restored.push(hash));
    expect(again.list.map(({ name, hash }) => [name, hash])).toEqual([["default", ""], ["z", "y=log"]]);
    again.apply("z");
    again.apply("a");
    expect(restored).toEqual(["y=log"]);
    expect(new Views(off, () => "others", () => undefined).list).toEqual([]);
  });

  test.each(["[", "null", "7", '{"a": null}', '{"a": {"hash": 3}}'])("survive what else may lie in the storage: %s", (text) => {
    localStorage.setItem("tallyboard.views:runs", text);
    expect(new Views(off, () => "runs", () => undefined).list).toEqual([]);
  });
});
