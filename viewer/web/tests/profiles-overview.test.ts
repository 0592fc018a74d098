import { describe, expect, test } from "vitest";
import { bytesText, percentText, timeText } from "../src/dash/profiles/numbers";
import { bars, gridStep, partsOf, ROOM, stepAt, totals } from "../src/dash/profiles/views/overview/bars";
import type { StepColumns } from "../src/dash/profiles/wire";

const none = [0, 0, 0];
const steps: StepColumns = {
  categories: ["kernel", "memcpy", "memset", "communication", "runtime", "dataloader", "cpu", "other"],
  each: 1,
  count: 3,
  marked: true,
  name: ["5", "6", "7"],
  start: [0, 900, 1_000],
  end: [900, 1_000, 1_100],
  warmup: [true, false, false],
  launched: none,
  time: { kernel: [100, 60, 60], memcpy: none, memset: none, communication: none, runtime: none, dataloader: [0, 30, 40], cpu: [800, 10, 0], other: none },
};

describe("the bars of steps", () => {
  test("a warm-up that dwarfs all others is cut at twice their height", () => {
    const laid = bars(steps, totals(steps), 364, 130);
    expect(totals(steps)).toEqual([900, 100, 100]);
    expect([laid.most, laid.cut]).toEqual([200, true]);
    expect(laid.height(900)).toBe(laid.height(200));
    expect(laid.height(100)).toBe((130 - ROOM.bottom - ROOM.top) / 2);
    expect(bars(steps, [100, 100, 100], 364, 130).cut).toBe(false);
  });

  test("a place is of the step whose bar stands there, or of none", () => {
    const laid = bars(steps, totals(steps), ROOM.left + ROOM.right + 180, 130);
    expect(laid.pitch).toBe(60);
    expect([0, 59, 60, 179, 180].map((x) => stepAt(laid, 3, ROOM.left + x))).toEqual([0, 0, 1, 2, -1]);
    expect(stepAt(laid, 3, ROOM.left - 1)).toBe(-1);
  });

  test("a step's parts are told from the longest on", () => {
    expect(partsOf(steps, 1)).toEqual([["kernel", 60], ["dataloader", 30], ["cpu", 10]]);
  });

  test("lines of the axis are 1, 2 or 5 times a power of ten apart", () => {
    expect([[100, 4], [171_000, 4], [0.9, 4]].map(([most, lines]) => gridStep(most, lines))).toEqual([50, 50_000, 0.5]);
  });
});

test("numbers are said with the unit that fits", () => {
  expect([0, 0.5, 999, 999.6, 35_503.7, 1_230_240].map((time) => timeText(time))).toEqual(["0", "500 ns", "999 µs", "1 ms", "35.5 ms", "1.23 s"]);
  expect(timeText(600, 4)).toBe("600.0 µs");
  expect([551, 1_159_569].map(bytesText)).toEqual(["551 B", "1.11 MiB"]);
  expect([0, 0.0005, 0.229187, 1].map(percentText)).toEqual(["0.0 %", "< 0.1 %", "22.9 %", "100.0 %"]);
});
