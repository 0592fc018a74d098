import { describe, expect, test } from "vitest";
import { durationLabel, niceStep, numberTicks, relativeTicks, stepTicks, tickLabel, timeStep, wallTicks } from "../src/chart/ticks";
import { relativeText, stepText, valueText } from "../src/chart/format";

function at(text: string): number {
  return new Date(text).getTime() / 1000;
}

describe("ticks of numbers", () => {
  test.each([
    [1, 1],
    [1.01, 2],
    [2.1, 5],
    [7, 10],
    [0.03, 0.05],
    [140, 200],
  ])("stand at 1-2-5 distances: %d becomes %d", (rough, step) => {
    expect(niceStep(rough)).toBeCloseTo(step, 12);
  });

  test("are multiples of their step without the dirt of adding it up", () => {
    const { values, labels } = numberTicks({ lo: -0.05, hi: 0.72 }, 8);
    expect(labels).toEqual(["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]);
    expect(values[0]).toBe(0);
  });

  test("never lie between two steps", () => {
    expect(stepTicks({ lo: 0, hi: 3 }, 10).values).toEqual([0, 1, 2, 3]);
    expect(numberTicks({ lo: 0, hi: 1 }, 5).labels).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  });

  test.each([
    [{ lo: 0, hi: 20_000 }, ["0", "5k", "10k", "15k", "20k"]],
    [{ lo: 0, hi: 9000 }, ["0", "2000", "4000", "6000", "8000"]],
    [{ lo: 2.4e6, hi: 2.6e6 }, ["2.40M", "2.45M", "2.50M", "2.55M", "2.60M"]],
    [{ lo: 0, hi: 4e-5 }, ["0", "1e-5", "2e-5", "3e-5", "4e-5"]],
    [{ lo: -2, hi: 2 }, ["-2", "-1", "0", "1", "2"]],
    [{ lo: 0, hi: 4e16 }, ["0", "1e16", "2e16", "3e16", "4e16"]],
  ])("are labelled for reading: %o", (range, labels) => {
    expect(numberTicks(range, 5).labels).toEqual(labels);
  });

  test("of a range that is none are none", () => {
    expect(numberTicks({ lo: 1, hi: 1 }, 5).values).toEqual([]);
    expect(numberTicks({ lo: -Infinity, hi: Infinity }, 5).values).toEqual([]);
  });

  test("tell neighbours apart however near they are", () => {
    expect(tickLabel(1.00002, 0.00002, 1.0001)).toBe("1.00002");
  });
});

describe("ticks of time", () => {
  test.each([
    [0.3, 0.5],
    [3, 5],
    [12, 15],
    [40, 60],
    [400, 600],
    [4000, 7200],
    [50_000, 86_400],
  ])("stand at distances of a clock: %d s becomes %d s", (rough, step) => {
    expect(timeStep(rough)).toBe(step);
  });

  test("since a start are durations", () => {
    expect(relativeTicks({ lo: 0, hi: 7200 }, 5).labels).toEqual(["0s", "30m", "1h", "1h 30m", "2h"]);
    expect(relativeTicks({ lo: 0, hi: 100 }, 4).labels).toEqual(["0s", "30s", "1m", "1m 30s"]);
    expect(relativeTicks({ lo: 0, hi: 1 }, 2).labels).toEqual(["0.0s", "0.5s", "1.0s"].map((label) => label.replace("0.0s", "0s")));
  });

  test.each([
    [59.996, 2, "1m"],
    [59.99, 2, "59.99s"],
    [3661, 0, "1h 1m"],
    [90_000, 0, "1d 1h"],
    [86_400, 0, "1d"],
    [-5, 0, "-5s"],
    [65.5, 1, "1m 5.5s"],
  ])("reads %d s with %d digits as %s", (seconds, digits, label) => {
    expect(durationLabel(seconds, digits)).toBe(label);
  });

  test("on the wall are local hours, with the date at midnight", () => {
    const { labels } = wallTicks({ lo: at("2026-11-21T20:30"), hi: at("2026-11-22T03:30") }, 8);
    expect(labels).toEqual(["21:00", "22:00", "23:00", "Nov 22", "01:00", "02:00", "03:00"]);
  });

  test("on the wall keep to local midnights across the end of daylight saving", () => {
    const { values, labels } = wallTicks({ lo: at("2026-10-23T12:00"), hi: at("2026-10-27T12:00") }, 5);
    expect(labels).toEqual(["Oct 24", "Oct 25", "Oct 26", "Oct 27"]);
    expect(values).toEqual([24, 25, 26, 27].map((day) => at(`2026-10-${day}T00:00`)));
    expect(values[2] - values[1]).toBe(25 * 3600);
  });

  test("on the wall show seconds and parts of them when near", () => {
    const lo = at("2026-11-21T20:30:00");
    expect(wallTicks({ lo, hi: lo + 20 }, 4).labels).toEqual(["20:30:00", "20:30:05", "20:30:10", "20:30:15", "20:30:20"]);
    expect(wallTicks({ lo, hi: lo + 1 }, 2).labels).toEqual(["20:30:00.0", "20:30:00.5", "20:30:01.0"]);
  });

  test("on the wall count months and years over long spans", () => {
    expect(wallTicks({ lo: at("2025-11-15T00:00"), hi: at("2026-04-15T00:00") }, 6).labels).toEqual([
      "Dec 1",
      "2026",
      "Feb 1",
      "Mar 1",
      "Apr 1",
    ]);
    expect(wallTicks({ lo: at("2020-06-01T00:00"), hi: at("2024-06-01T00:00") }, 4).labels).toEqual(["2021", "2022", "2023", "2024"]);
  });
});

describe("numbers in the table", () => {
  test.each([
    [0.123456789, "0.12346"],
    [0, "0"],
    [-0, "0"],
    [1234.5678, "1234.6"],
    [123456.7, "123457"],
    [1.5e9, "1.5e9"],
    [1e9, "1e9"],
    [0.00001234, "1.234e-5"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "−Inf"],
  ])("%d is written %s", (value, text) => {
    expect(valueText(value)).toBe(text);
  });

  test("steps have their thousands apart, durations their units", () => {
    expect(stepText(1234567)).toBe("1,234,567");
    expect([0, 0.256, 12.34, 75].map(relativeText)).toEqual(["0s", "0.26s", "12.3s", "1m 15s"]);
  });
});
