import { describe, expect, test } from "vitest";
import { arranged } from "../src/app/runs/arranged";
import { byGroups, byHparam, byNumbers, byPattern } from "../src/app/runs/colouring";
import { ramp } from "../src/app/runs/ramp";
import { HUES } from "../src/chart/palette";
import { apart, contrast, DEUTERANOPIA, NORMAL, PROTANOPIA } from "./vision";

describe.each([
  ["dark", true, ["#15171b", "#0e0f12"]],
  ["light", false, ["#ffffff", "#fafafb"]],
] as const)("the scale for numbers in the %s theme", (_, dark, grounds) => {
  const samples = Array.from({ length: 21 }, (_, i) => ramp(i / 20, dark));

  test("stands out from its grounds at 3:1 or more everywhere", () => {
    for (const colour of samples) for (const ground of grounds) expect(contrast(colour, ground), colour).toBeGreaterThanOrEqual(3);
  });

  test("goes one way in lightness", () => {
    const light = samples.map((colour) => contrast(colour, "#000000"));
    expect(light).toEqual([...light].sort((a, b) => a - b));
  });

  test.each([["normal", NORMAL], ["deuteranopic", DEUTERANOPIA], ["protanopic", PROTANOPIA]] as const)("tells five values apart for %s eyes", (_, eyes) => {
    const five = [0, 0.25, 0.5, 0.75, 1].map((at) => ramp(at, dark));
    for (let i = 0; i < 5; i++) for (let j = 0; j < i; j++) expect(apart(five[i], five[j], eyes), `${five[i]} ${five[j]}`).toBeGreaterThanOrEqual(0.07);
  });

  test("keeps its ends for what lies outside", () => {
    expect([ramp(-1, dark), ramp(2, dark)]).toEqual([samples[0], samples[20]]);
  });
});

describe("colours of runs", () => {
  const runs = ["adam/lr=0.1", "adam/lr=0.01", "sgd/lr=0.1", "other"];
  const palette = HUES.map(({ dark }) => dark as string);

  test("by a regex are those of its first group, of the match without one, and neutral for the rest", () => {
    const { colourOf, legend } = byPattern(runs, "lr=([\\d.]+)");
    expect(colourOf("adam/lr=0.1", true)).toBe(colourOf("sgd/lr=0.1", true));
    expect(colourOf("adam/lr=0.1", true)).not.toBe(colourOf("adam/lr=0.01", true));
    expect(palette).toContain(colourOf("adam/lr=0.1", true));
    expect(palette).not.toContain(colourOf("other", true));
    expect(legend.entries.map(({ label, runs: count }) => [label, count])).toEqual([["0.01", 1], ["0.1", 2], ["others", 1]]);
    expect(byPattern(runs, "adam").legend.entries.map(({ label, runs: count }) => [label, count])).toEqual([["adam", 2], ["others", 2]]);
    expect(() => byPattern(runs, "(")).toThrow(SyntaxError);
  });

  test("by groups share no hue as long as there are ten", () => {
    const many = Array.from({ length: 10 }, (_, i) => `g${i}`);
    const { colourOf } = byGroups(many, (run) => run);
    expect(new Set(many.map((run) => colourOf(run, false))).size).toBe(10);
  });

  test("by a number lie on the scale, by its logarithm where it spans decades", () => {
    const values: Record<string, number | undefined> = { a: 1e-5, b: 1e-3, c: 1e-1, d: undefined };
    const { colourOf, legend } = byNumbers(Object.keys(values), (run) => values[run]);
    expect(["a", "b", "c"].map((run) => colourOf(run, true))).toEqual([ramp(0, true), ramp(0.5, true), ramp(1, true)]);
    expect(colourOf("d", true)).toBe("#8b92a1");
    expect([legend.logarithmic, ...legend.entries.map(({ label }) => label)]).toEqual([true, "1e-5", "0.1"]);
    const linear = byNumbers(["x", "y", "z"], (run) => ({ x: 0, y: 5, z: 10 })[run]);
    expect([linear.colourOf("y", false), linear.legend.logarithmic]).toEqual([ramp(0.5, false), false]);
    expect(byNumbers(["x"], () => 3).colourOf("x", true)).toBe(ramp(0, true));
  });

  test("by a hyperparameter are hues for texts and few numbers, and the scale for many", () => {
    const numbered = ["0", "1", "2", "3", "4"];
    expect(byHparam(numbered, Number).legend.kind).toBe("ramp");
    expect(byHparam(numbered, (run) => Number(run) % 2).legend.kind).toBe("groups");
    expect(byHparam(numbered, (run) => (run === "0" ? "none" : Number(run))).legend.kind).toBe("groups");
  });
});

describe("what people say of runs", () => {
  test("puts pinned ones in front and leaves hidden ones out, unless they are wanted", () => {
    const notes = { b: { hidden: true }, c: { pinned: true }, d: { pinned: true, hidden: true } };
    expect(arranged(["a", "b", "c", "d"], notes, false)).toEqual(["c", "a"]);
    expect(arranged(["a", "b", "c", "d"], notes, true)).toEqual(["c", "d", "a", "b"]);
    expect(arranged(["toString", "__proto__"], {}, false)).toEqual(["toString", "__proto__"]);
  });
});
