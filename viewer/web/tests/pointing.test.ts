import { describe, expect, test, vi } from "vitest";
import { Hand, type Handled } from "../src/chart/hand";
import { hitsAtX, type Hit } from "../src/chart/hover";
import { kept, panned, pinched, wheelFactor, zoomedAt } from "../src/chart/navigate";
import { labelled } from "../src/chart/overlay";
import { sorted, toText } from "../src/chart/rows";
import { linear, log } from "../src/chart/scale";
import type { Trace } from "../src/chart/trace";
import { endOf, leading, nextRun, onward } from "../src/chart/walk";

function trace(name: string, x: number[], y: number[]): Trace {
  const xs = Float64Array.from(x);
  const raw = Float64Array.from(y);
  return { name, colour: "#000", n: x.length, x: xs, origin: 0, rising: true, step: xs, wall: Float64Array.from(x, (v) => 1.7e9 + v), raw, line: raw };
}

const hit = (name: string, value: number, py = value): Hit => ({ trace: trace(name, [1], [value]), index: 0, px: 0, py });

describe("moving what is seen", () => {
  const sx = linear(0, 100, 50, 250);

  test("pans by pixels, also where a logarithm bends", () => {
    expect(panned(sx, 20)).toEqual({ lo: -10, hi: 90 });
    const bent = panned(log(1, 100, 0, 200), -100);
    expect(bent.lo).toBeCloseTo(10);
    expect(bent.hi).toBeCloseTo(1000);
  });

  test("zooms with what is under the pointer staying there", () => {
    expect(zoomedAt(sx, 100, 0.5)).toEqual({ lo: 12.5, hi: 62.5 });
    expect(zoomedAt(sx, 50, 2)).toEqual({ lo: 0, hi: 200 });
  });

  test("keeps what two fingers hold under them", () => {
    // The data at 25 and 75 were under the fingers and are so again.
    const { lo, hi } = pinched(sx, [100, 200], [50, 250]);
    expect([lo, hi]).toEqual([25, 75]);
    expect(Number.isFinite(pinched(sx, [100, 200], [150, 150]).lo)).toBe(true);
  });

  test("stays near the data, and is no zoom when all of them are seen", () => {
    const home = { lo: 0, hi: 100 };
    expect(kept({ lo: -5, hi: 105 }, home)).toBeNull();
    expect(kept({ lo: -90, hi: -70 }, home)).toEqual({ lo: -10, hi: 10 });
    expect(kept({ lo: 200, hi: 220 }, home)).toEqual({ lo: 90, hi: 110 });
    expect(kept({ lo: 20, hi: 30 }, home)).toEqual({ lo: 20, hi: 30 });
    expect(kept({ lo: 1, hi: 1 + 1e-15 }, home)).toEqual(home);
  });

  test("takes a wheel's lines and pages for pixels", () => {
    expect(wheelFactor({ deltaY: 100, deltaMode: 0 })).toBeCloseTo(Math.exp(0.2));
    expect(wheelFactor({ deltaY: -1, deltaMode: 1 })).toBeCloseTo(Math.exp(-0.032));
    expect(wheelFactor({ deltaY: 1e9, deltaMode: 2 })).toBeCloseTo(Math.exp(0.4));
  });
});

describe("a hand", () => {
  function made(): { hand: Hand; on: Record<keyof Handled, ReturnType<typeof vi.fn>> } {
    const scales = { x: linear(0, 10, 0, 100), y: linear(0, 10, 100, 0) };
    const on = { scales: vi.fn(() => scales), hover: vi.fn(), drag: vi.fn(), select: vi.fn(), pan: vi.fn(), pinch: vi.fn(), click: vi.fn() };
    const root = { getBoundingClientRect: () => ({ left: 0, top: 0 }), setPointerCapture: vi.fn() };
    return { hand: new Hand(root as unknown as HTMLElement, on), on };
  }
  const event = (x: number, y: number, more: object = {}): PointerEvent =>
    ({ clientX: x, clientY: y, pointerId: 1, button: 0, pointerType: "mouse", shiftKey: false, preventDefault() {}, ...more }) as unknown as PointerEvent;

  test("that hardly moves clicks; one that goes far selects", () => {
    const { hand, on } = made();
    hand.down(event(50, 50));
    hand.move(event(52, 51));
    hand.up(event(52, 51));
    expect(on.click).toHaveBeenCalledWith({ x: 52, y: 51 });
    hand.down(event(20, 50));
    hand.move(event(70, 52));
    hand.up(event(70, 52));
    expect(on.select).toHaveBeenCalledWith({ x: { lo: 20, hi: 70 }, y: null });
    expect(on.click).toHaveBeenCalledTimes(1);
  });

  test("with shift or the middle button pans, from where it took hold", () => {
    for (const more of [{ shiftKey: true }, { button: 1 }]) {
      const { hand, on } = made();
      hand.down(event(50, 50, more));
      hand.move(event(80, 60));
      hand.up(event(80, 60));
      expect(on.pan).toHaveBeenLastCalledWith(on.scales.mock.results[0].value, { x: 30, y: 10 });
      expect(on.select).not.toHaveBeenCalled();
      expect(on.click).not.toHaveBeenCalled();
    }
  });

  test("of two fingers pinches, and selects nothing", () => {
    const { hand, on } = made();
    hand.down(event(40, 50, { pointerType: "touch", pointerId: 1 }));
    hand.down(event(60, 50, { pointerType: "touch", pointerId: 2 }));
    hand.move(event(20, 50, { pointerType: "touch", pointerId: 1 }));
    expect(on.pinch).toHaveBeenLastCalledWith(expect.anything(), [40, 60], [20, 60]);
    hand.up(event(20, 50, { pointerType: "touch", pointerId: 1 }));
    hand.up(event(60, 50, { pointerType: "touch", pointerId: 2 }));
    expect(on.select).not.toHaveBeenCalled();
    expect(on.click).not.toHaveBeenCalled();
  });

  test("the other buttons do nothing", () => {
    const { hand, on } = made();
    hand.down(event(50, 50, { button: 2 }));
    hand.up(event(50, 50, { button: 2 }));
    expect(on.click).not.toHaveBeenCalled();
  });
});

describe("the arrow keys", () => {
  const gap = trace("a", [NaN, 1, NaN, 3], [5, 6, 7, 8]);

  test("go from point to point that has a place, and stop at the ends", () => {
    expect([onward(gap, 1, 1), onward(gap, 3, 1), onward(gap, 3, -1), onward(gap, 1, -1)]).toEqual([3, 3, 1, 1]);
    expect([endOf(gap, false), endOf(gap, true)]).toEqual([1, 3]);
  });

  test("go from run to run as they stand above each other", () => {
    const hits = [hit("mid", 0, 50), hit("top", 0, 10), hit("nan", NaN, NaN), hit("low", 0, 90)];
    expect(nextRun(hits, "mid", true)?.trace.name).toBe("top");
    expect(nextRun(hits, "mid", false)?.trace.name).toBe("low");
    expect(nextRun(hits, "low", false)?.trace.name).toBe("nan");
    expect(nextRun(hits, "top", true)).toBeNull();
    expect(leading(hits, "low").map(({ trace: { name } }) => name)).toEqual(["low", "mid", "top", "nan"]);
  });
});

describe("the rows of a tooltip", () => {
  const hits = [hit("run10", 2), hit("run9", NaN), hit("run2", 7), hit("run1", -Infinity)];
  const names = (sort: Parameters<typeof sorted>[1]): string[] => sorted(hits, sort).map(({ trace: { name } }) => name);

  test("come nearest first, by value or by name; NaN last", () => {
    expect(names("nearest")).toEqual(["run10", "run9", "run2", "run1"]);
    expect(names("descending")).toEqual(["run2", "run10", "run1", "run9"]);
    expect(names("ascending")).toEqual(["run1", "run10", "run2", "run9"]);
    expect(names("name")).toEqual(["run1", "run2", "run9", "run10"]);
  });

  test("are copied with all digits, in cells that stay cells", () => {
    const odd: Hit = { trace: trace("=a\tb\nc", [3], [0.1 + 0.2]), index: 0, px: 0, py: 0 };
    expect(toText([odd], false, "")).toBe("run\tvalue\tstep\trelative_s\ttime\n'=a b c\t0.30000000000000004\t3\t0\t2023-11-14T22:13:23.000Z\n");
    expect(toText([odd], true, "lr").split("\n")[0]).toBe("run\tsmoothed\tvalue\tlr\tstep\trelative_s\ttime");
  });

  test("of another chart's crosshair are the points nearest in x, with labels that do not lie over each other", () => {
    const sx = linear(0, 10, 0, 100);
    const sy = linear(0, 10, 100, 0);
    const near = hitsAtX([trace("a", [0, 4], [1, 5]), { ...trace("none", [NaN], [1]), rising: false }], sx, sy, 3);
    expect(near.map(({ index, px, py }) => [index, px, py])).toEqual([[1, 40, 50]]);
    const many = [hit("a", 0, 50), hit("b", 0, 55), hit("lead", 0, 52), hit("c", 0, 80), hit("gone", 0, 300)];
    expect(labelled(many, "lead", 0, 100).map(({ trace: { name } }) => name)).toEqual(["lead", "c"]);
  });
});
