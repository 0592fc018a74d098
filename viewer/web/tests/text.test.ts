import { describe, expect, it } from "vitest";
import { compare } from "../src/dash/text/diff";
import { cardOf, cardsOf, nameOf } from "../src/dash/text/entries";
import { Texts, type Told } from "../src/dash/text/fetch";
import { accuracyOf, confusionOf, shareOf } from "../src/dash/text/matrix";

const said = (before: string, after: string, grain: "words" | "lines" = "words"): string =>
  compare(before, after, grain)
    .map(({ kind, text }) => (kind === "same" ? text : kind === "gone" ? `[-${text}-]` : `[+${text}+]`))
    .join("");

describe("comparing", () => {
  it("finds the words that differ, a decimal being one", () => {
    expect(said("loss 0.25 at step 3\nsame\n", "loss 0.31 at step 4\nsame\n")).toBe("loss [-0.25-][+0.31+] at step [-3-][+4+]\nsame\n");
  });
  it("finds the lines that differ", () => {
    expect(said("a\nb\nc", "a\nx\nc\nd", "lines")).toBe("a\n[-b\nc-][+x\nc\nd+]");
    expect(said("a\nb\nc\n", "a\nc\nd\n", "lines")).toBe("a\n[-b\n-]c\n[+d\n+]");
  });
  it("is of nothing where both are the same, and of all where nothing is", () => {
    expect(said("a b", "a b")).toBe("a b");
    expect(said("", "new")).toBe("[+new+]");
    expect(said("old", "")).toBe("[-old-]");
  });
  it("keeps every letter of both, whatever they are", () => {
    const letters = ["a", "b ", "\n", "cd", "é漢 ", "1.5"];
    const made = (seed: number): string => Array.from({ length: 40 }, (_, i) => letters[(seed * (i + 7) * (i + 3)) % letters.length]).join("");
    for (let seed = 1; seed < 60; seed++) {
      const [before, after] = [made(seed), made(seed * 31 + 5)];
      for (const grain of ["words", "lines"] as const) {
        const pieces = compare(before, after, grain);
        const without = (kind: string): string => pieces.filter((piece) => piece.kind !== kind).map(({ text }) => text).join("");
        expect(without("new")).toBe(before);
        expect(without("gone")).toBe(after);
      }
    }
  });
  it("gives up on what differs altogether, and says that all of it is other", () => {
    const before = Array.from({ length: 30_000 }, (_, i) => `a${i}`).join("\n");
    const after = Array.from({ length: 30_000 }, (_, i) => `b${i}`).join("\n");
    expect(compare(before, after, "lines").map(({ kind }) => kind)).toEqual(["gone", "new"]);
  });
});

describe("cards", () => {
  const texts = new Map([
    ["note/text_summary", ["a", "b"]],
    ["plot/text_summary", ["a", "b"]],
  ]);
  const figures = new Map([["plotly", new Map([["plot", ["a"]]])]]);
  const cards = cardsOf(texts, figures, (run) => run !== "c");
  it("shows a figure in place of the text that tells of it, and that text where there is no figure", () => {
    expect([...cards]).toEqual([
      ["plot", [{ plugin: "plotly", run: "a", tag: "plot" }]],
      ["note/text_summary", ["a", "b"].map((run) => ({ plugin: "text", run, tag: "note/text_summary" }))],
      ["plot/text_summary", [{ plugin: "text", run: "b", tag: "plot/text_summary" }]],
    ]);
  });
  it("leaves out what is not wanted", () => {
    expect([...cardsOf(texts, figures, (run) => run === "b").keys()]).toEqual(["note/text_summary", "plot/text_summary"]);
  });
  it("knows where a text that was found is shown, and what people call it", () => {
    expect(cardOf(cards, "plot/text_summary", "a")).toBe("plot");
    expect(cardOf(cards, "plot/text_summary", "b")).toBe("plot/text_summary");
    expect([nameOf("note/text_summary"), nameOf("/text_summary"), nameOf("x")]).toEqual(["note", "/text_summary", "x"]);
  });
});

describe("matrices", () => {
  const confusion = confusionOf([
    ["true", "cat", "dog"],
    ["cat", "2", "1"],
    ["dog", "0", "1"],
  ]);
  it("are read with their sums and shares", () => {
    if (!confusion) throw new Error("it is one");
    expect([confusion.rows, confusion.columns, confusion.total]).toEqual([[3, 1], [2, 2], 4]);
    expect(accuracyOf(confusion)).toBe(0.75);
    expect([shareOf(confusion, "rows", 0, 1), shareOf(confusion, "columns", 0, 1), shareOf(confusion, "all", 0, 1)]).toEqual([1 / 3, 0.5, 0.25]);
  });
  it("are none where cells are no numbers, or rows are missing", () => {
    expect(confusionOf([["", "a"], ["a", "x"]])).toBeNull();
    expect(confusionOf([["", "a", "b"], ["a", "1", "2"]])).toBeNull();
    expect(confusionOf([])).toBeNull();
  });
});

describe("texts", () => {
  const value = (step: number) => ({ plugin: "text", run: "a", tag: "t", step, wall: 1 });
  it("that are wanted together are asked for together, once, and failures again", async () => {
    const asked: number[][] = [];
    let fails = true;
    const texts = new Texts((values) => {
      asked.push(values.map(({ step }) => step));
      if (fails) return Promise.reject(new Error("gone"));
      return Promise.resolve(values.map(({ step }): Told => ({ kind: "text", html: "", raw: String(step) })));
    });
    await expect(Promise.all([texts.get(value(1)), texts.get(value(2))])).rejects.toThrow("gone");
    fails = false;
    const found = await Promise.all([texts.get(value(1)), texts.get(value(2)), texts.get(value(1))]);
    expect(found.map((told) => (told.kind === "text" ? told.raw : ""))).toEqual(["1", "2", "1"]);
    expect(asked).toEqual([[1, 2], [1, 2]]);
  });
});
