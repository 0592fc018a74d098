import { describe, expect, test } from "vitest";
import { Marks, markOf } from "../src/app/marks";
import { isOn, tick } from "../src/app/selection";
import { decode, encode, FRESH } from "../src/app/url";

const NAMES = Array.from({ length: 10_000 }, (_, i) => `sweep/lr=${(i % 7) / 100}/seed=${i}/train`);

describe("marks of names", () => {
  test("hold 2,000 of 10,000 runs, and no other, in less than 9 kB of address", () => {
    const chosen = new Set(NAMES.filter((_, i) => i % 5 === 2));
    const text = encode({ ...FRESH, selection: { mode: "only", names: chosen } });
    expect(chosen.size).toBe(2_000);
    expect(text.length).toBeLessThan(9_000);
    const { selection } = decode(text);
    expect(NAMES.filter((name) => isOn(selection, name))).toEqual([...chosen]);
    expect(encode({ ...FRESH, selection })).toBe(text);
  });

  test("take the ticks that follow as names do", () => {
    const untold = new Set(NAMES.slice(0, 3_000));
    const { selection } = decode(encode({ ...FRESH, selection: { mode: "except", names: untold } }));
    const back = tick(tick(selection, NAMES.slice(0, 2_998), true), [NAMES[5_000]], false);
    const again = decode(encode({ ...FRESH, selection: back })).selection;
    expect(NAMES.filter((name) => !isOn(again, name))).toEqual([NAMES[2_998], NAMES[2_999], NAMES[5_000]]);
    const all = tick(again, NAMES, true);
    expect(encode({ ...FRESH, selection: all })).toBe("");
  });

  test("of any number of names come back from their text", () => {
    for (const count of [1, 2, 3, 10, 63, 500]) {
      const marks = Marks.of(NAMES.slice(0, count));
      const back = Marks.read(marks.text);
      expect([back?.size, NAMES.filter((name) => back?.has(name)).length]).toEqual([count, count]);
    }
  });

  test("differ for 50,000 names that are much alike", () => {
    const marks = new Set<number>();
    for (let i = 0; i < 50_000; i++) marks.add(markOf(`run${i}`));
    expect(marks.size).toBe(50_000);
    expect(Math.max(...[...marks].slice(0, 10_000))).toBeLessThan(2 ** 36);
  });

  test.each(["", "A", "Z", "Zäöü", "_AAAA", "a//", "AAAAAAAAA", `A${"_".repeat(5_000)}`])("survive nonsense %#", (text) => {
    const { selection } = decode(new URLSearchParams({ "only-marks": text }).toString());
    expect(typeof isOn(selection, "a")).toBe("boolean");
  });

  test("leave few names readable", () => {
    expect(encode({ ...FRESH, selection: { mode: "only", names: new Set(["b", "a"]) } })).toBe("only=a&only=b");
  });
});
