import { describe, expect, it } from "vitest";
import { sized } from "../src/dash/video/facts";
import { even, neighbour, uneven } from "../src/dash/video/frames";

describe("frames of a video", () => {
  it("begin where the one before ends, and are found by any time within", () => {
    const frames = even(1, 10);
    expect(frames.count).toBe(10);
    for (let k = 0; k < 10; k++) {
      expect(frames.at(frames.start(k))).toBe(k);
      expect(frames.at(frames.start(k) + 0.0999)).toBe(k);
    }
    expect(frames.at(99)).toBe(9);
  });

  it("may each stay as long as they like", () => {
    const frames = uneven([0.2, 0.3, 0.5]);
    expect([frames.length, frames.count]).toEqual([1, 3]);
    expect([0, 0.19, 0.2, 0.49, 0.5, 2].map(frames.at)).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it("are walked on and back to the nearest change in any of several videos", () => {
    const both = [even(1, 10), uneven([0.25, 0.75])];
    const seen = [0];
    for (let k = 0; k < 4; k++) seen.push(neighbour(both, seen[seen.length - 1], 1));
    expect(seen.map((time) => Number(time.toFixed(6)))).toEqual([0, 0.1, 0.2, 0.25, 0.3]);
    expect(neighbour(both, 0.3, -1)).toBeCloseTo(0.2);
    expect(neighbour(both, 0, -1)).toBe(0);
    expect(neighbour(both, 1, 1)).toBe(1);
    expect(neighbour(both, 1, -1)).toBeCloseTo(0.8);
  });
});

it("sizes are said as people say them", () => {
  expect([999, 1234, 45_678, 12_345_678].map(sized)).toEqual(["999 bytes", "1.2 kB", "46 kB", "12 MB"]);
});
