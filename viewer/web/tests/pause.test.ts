import { describe, expect, test } from "vitest";
import { Pause } from "../src/data/pause.svelte";

describe("a pause", () => {
  const known = (tag: string): number => (tag === "loss" ? 10 : 0);

  test("counts the points that came, and gives them all back as one change", () => {
    const pause = new Pause();
    pause.on = true;
    pause.hold({ version: 5, structure: false, series: [["a", "loss", 12], ["b", "loss", 11]] }, known);
    pause.hold({ version: 6, structure: true, series: [["a", "loss", 15], ["c", "new", 4]] }, known);
    expect(pause.news).toBe(5 + 1 + 4);
    expect(pause.end()).toEqual({ version: 6, structure: true, series: [["a", "loss", 15], ["b", "loss", 11], ["c", "new", 4]] });
    expect([pause.on, pause.news, pause.end()]).toEqual([false, 0, null]);
  });

  test("never counts backwards, and lets anything have changed when that is what was told", () => {
    const pause = new Pause();
    pause.hold({ version: 5, structure: false, series: [["a", "loss", 12]] }, known);
    pause.hold({ version: 6, structure: false, series: [["a", "loss", 3]] }, known);
    expect(pause.news).toBe(2);
    pause.hold({ version: 7, structure: true, series: null }, known);
    expect(pause.end()).toEqual({ version: 7, structure: true, series: null });
  });
});
