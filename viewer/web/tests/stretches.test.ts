import { describe, expect, test } from "vitest";
import { drawLine, type Pen } from "../src/chart/draw";
import { drawOutside, outside, outsideLabels } from "../src/chart/edges";
import { extentY } from "../src/chart/extent";
import { hitsAt, nearestIndex } from "../src/chart/hover";
import { middle } from "../src/chart/quantile";
import { linear } from "../src/chart/scale";
import { stretchesOf } from "../src/chart/stretches";
import { summaryOf } from "../src/chart/summary";
import type { Trace } from "../src/chart/trace";

function made(x: number[], y: number[], voiding?: boolean): Trace {
  const xs = Float64Array.from(x);
  const raw = Float64Array.from(y);
  const rising = x.every((value, i) => i === 0 || value >= x[i - 1]);
  const parts = voiding === undefined ? {} : { stretches: stretchesOf(xs, x.length, voiding) };
  return { name: "a", colour: "#123", n: x.length, x: xs, origin: 0, rising, step: xs, wall: xs, raw, line: raw, ...parts };
}

/** Writes down the lines that are stroked: their points by pairs, and how opaque they are. */
class Notes {
  lines: { alpha: number; points: string }[] = [];
  globalAlpha = 1;
  strokeStyle = "";
  fillStyle = "";
  lineWidth = 1;
  font = "";
  textAlign = "left" as const;
  #path = "";
  beginPath(): void {
    this.#path = "";
  }
  moveTo(x: number, y: number): void {
    this.#path += ` M${x},${y}`;
  }
  lineTo(x: number, y: number): void {
    this.#path += ` ${x},${y}`;
  }
  arc(x: number, y: number): void {
    this.#path += ` o${x},${y}`;
  }
  stroke(): void {
    if (this.#path) this.lines.push({ alpha: Number(this.globalAlpha.toFixed(3)), points: this.#path.trim() });
  }
  fill(): void {
    this.stroke();
  }
  fillText(): void {}
  setLineDash(): void {}
}

const sx = linear(0, 10, 0, 10);
const sy = linear(0, 10, 10, 0);

describe("a series whose steps go back", () => {
  test("is voided from the step on that it goes back to, and on each restart anew", () => {
    const step = Float64Array.from([0, 1, 2, 3, 4, 2, 3, 1, 2]);
    expect(stretchesOf(step, 9, true)).toEqual([
      { from: 0, to: 1, voided: false },
      { from: 1, to: 5, voided: true },
      { from: 5, to: 7, voided: true },
      { from: 7, to: 9, voided: false },
    ]);
  });

  test("is only taken apart where nothing is voided", () => {
    const step = Float64Array.from([0, 1, 2, 1, 1, 2]);
    expect(stretchesOf(step, 6, false)).toEqual([
      { from: 0, to: 3, voided: false },
      { from: 3, to: 6, voided: false },
    ]);
    expect(stretchesOf(step, 0, true)).toEqual([]);
  });

  test("draws what stands as one line over the restart, and faintly what it voided", () => {
    const notes = new Notes();
    const trace = made([0, 2, 4, 6, 4, 6, 8], [1, 2, 5, 5, 1, 3, 2], true);
    drawLine(notes as unknown as Pen, trace, trace.raw, sx, sy, { width: 1, alpha: 1, cell: 1 });
    expect(notes.lines).toEqual([
      { alpha: 1, points: "M0,9 2,8 4,9 6,7 8,8" },
      { alpha: 0.3, points: "M2,8 4,5 6,5" },
    ]);
  });

  test("never runs backwards when nothing is voided", () => {
    const notes = new Notes();
    const trace = made([0, 5, 9, 3, 7], [1, 2, 1, 5, 5], false);
    drawLine(notes as unknown as Pen, trace, trace.raw, sx, sy, { width: 1, alpha: 1, cell: 1 });
    expect(notes.lines).toEqual([{ alpha: 1, points: "M0,9 5,8 9,9 M3,5 7,5" }]);
  });

  test("a lone point between two restarts is a dot", () => {
    const notes = new Notes();
    const trace = made([0, 5, 3, 1, 2], [1, 1, 5, 7, 7], false);
    drawLine(notes as unknown as Pen, trace, trace.raw, sx, sy, { width: 1, alpha: 1, cell: 1 });
    expect(notes.lines.map(({ points }) => points)).toEqual(["M0,9 5,9 M1,3 2,3", "o3,5"]);
  });

  test("gives the pointer what stands, of two points at one step", () => {
    expect(hitsAt([made([0, 4, 6, 4, 6], [1, 5, 5, 1, 1], true)], sx, sy, 4, 0)[0].index).toBe(3);
    expect(nearestIndex(made([NaN, NaN], [1, 1]), 3)).toBe(-1);
    expect(nearestIndex(made([NaN, 5], [1, 1]), 3)).toBe(1);
  });
});

describe("outliers", () => {
  const values = Array.from({ length: 41 }, (_, i) => (i === 20 ? 1000 : i === 30 ? -500 : i === 31 ? -400 : i % 11));
  const trace = made(values.map((_, i) => i), values);

  test("are what lies beyond the middle nine tenths", () => {
    expect(middle(Float64Array.from(values), 41, 0.05)).toEqual([0, 10]);
    expect(extentY([trace], { lo: 0, hi: 40 }, "linear", true)).toEqual({ lo: -0.5, hi: 10.5 });
    expect(extentY([trace], { lo: 0, hi: 40 })).toEqual({ lo: -575, hi: 1075 });
  });

  test("are none among few values: each of them counts", () => {
    expect(middle(Float64Array.from([5, 1, 900]), 3, 0.05)).toEqual([1, 900]);
    expect(extentY([made([0], [3])], { lo: 0, hi: 1 }, "linear", true)).toEqual({ lo: 2.7, hi: 3.3 });
    expect(extentY([made([0], [NaN])], { lo: 0, hi: 1 }, "linear", true)).toEqual({ lo: 0, hi: 1 });
  });

  test("the middle is that of a sorted list, whatever the order", () => {
    let seed = 7;
    for (let n = 1; n < 300; n += 13) {
      const list = Float64Array.from({ length: n }, () => (seed = (seed * 48271) % 2147483647) % 50);
      const sorted = [...list].sort((a, b) => a - b);
      const below = Math.floor((n - 1) * 0.05);
      expect(middle(list, n, 0.05)).toEqual([sorted[below], sorted[n - 1 - below]]);
    }
  });

  test("are counted above and below within the width shown, without NaN and infinities", () => {
    const wide = linear(0, 40, 0, 400);
    expect(outside([trace], wide, { lo: -0.5, hi: 10.5 })).toEqual({ above: 1, below: 2 });
    expect(outsideLabels({ above: 2, below: 0, more: true }).above).toBe("▲ 2+");
    expect(outside([trace], linear(25, 40, 0, 100), { lo: -0.5, hi: 10.5 })).toEqual({ above: 0, below: 2 });
    expect(outside([made([0, 1, 2], [NaN, Infinity, -Infinity])], wide, { lo: 0, hi: 1 })).toEqual({ above: 0, below: 0 });
    expect(outsideLabels({ above: 1234, below: 0 })).toEqual({ above: "▲ 1,234", below: "" });
  });

  test("leave a bar at the edge, one for neighbours of a trace", () => {
    const notes = new Notes();
    expect(drawOutside(notes as unknown as Pen, [trace], linear(0, 40, 0, 80), linear(-0.5, 10.5, 100, 8))).toEqual({ above: 1, below: 2 });
    expect(notes.lines.map(({ points }) => points)).toEqual(["M40,5 40,10", "M60,100 60,95"]);
  });

  test("are told in words as well", () => {
    expect(summaryOf("t", [trace], { above: 1, below: 2 })).toMatch(/\. Outliers not shown: 1 above, 2 below$/);
  });
});
