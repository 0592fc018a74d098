import { linear, toPixel, type Scale } from "../../chart/scale";
import type { Surface } from "../../chart/svg";
import { numberTicks, type Ticks } from "../../chart/ticks";
import { countIn, type Rows } from "./frame";
import { between, binAt, drawBottom, drawLeft, extentOf, inside, levelOf, peakFor, peakOf, plotOf, valuesAcross, valueTicks, type Box, type Picture, type Scene, type Spot } from "./scene";

interface Overlay {
  box: Box;
  across: Scale;
  /** From levels, 0 to 1, to pixels. */
  up: Scale;
  peak: number;
}

function overlayOf(scene: Scene): Overlay {
  const box = plotOf(scene);
  return { box, across: valuesAcross(scene, box), up: linear(0, 1, box.bottom, box.top + 4), peak: peakOf(scene.found) };
}

/** Counts as they are, on an axis of levels. */
function countTicks({ counting }: Scene, peak: number, px: number): Ticks {
  if (!(peak > 0)) return { values: [], labels: [] };
  if (counting === "own") {
    return { values: [0, 0.5, 1], labels: ["0", "½", "peak"] };
  }
  if (counting === "log") {
    const values: number[] = [0];
    for (let power = 1; power <= peak; power *= 10) values.push(power);
    const every = Math.max(1, Math.ceil(values.length / Math.max(2, px / 26)));
    const some = values.filter((_, i) => i % every === 0);
    return { values: some.map((value) => levelOf(value, peak, counting)), labels: some.map((value) => (value < 1e4 ? String(value) : value.toExponential().replace("e+", "e"))) };
  }
  const ticks = numberTicks({ lo: 0, hi: peak }, Math.max(2, px / 34));
  return { values: ticks.values.map((value) => value / peak), labels: ticks.labels };
}

function path(pen: Surface, scene: Scene, { across, up, peak }: Overlay, rows: Rows, row: number): void {
  const { found } = scene;
  const own = peakFor(scene, peak, rows, row);
  const step = (across.r1 - across.r0) / found.bins;
  pen.beginPath();
  for (let bin = 0; bin < found.bins; bin++) {
    const y = toPixel(up, levelOf(countIn(found, rows, row, bin), own, scene.counting));
    if (bin === 0) pen.moveTo(across.r0 + step / 2, y);
    else pen.lineTo(across.r0 + (bin + 0.5) * step, y);
  }
}

/** All histograms over each other: values across, counts up, the newest strongest. */
export const overlay: Picture = {
  draw(pen, scene) {
    const made = overlayOf(scene);
    const { box, across, up, peak } = made;
    const { found, ink } = scene;
    drawLeft(pen, scene, box, up, countTicks(scene, peak, box.bottom - box.top), true);
    drawBottom(pen, scene, box, across, valueTicks(scene, box.right - box.left, 56));
    const [lo, hi] = extentOf(found);
    const marking = scene.marked.some((row) => row >= 0);
    inside(pen, { ...box, bottom: box.bottom + 1 }, () => {
      found.series.forEach((rows, series) => {
        pen.strokeStyle = scene.colours[series];
        for (let row = 0; row < rows.n; row++) {
          const age = (rows.x[row] - lo) / (hi - lo);
          pen.lineWidth = 1 + 0.5 * age;
          pen.globalAlpha = (0.12 + 0.8 * age ** 2) * (marking ? 0.35 : 1);
          path(pen, scene, made, rows, row);
          pen.stroke();
        }
      });
      pen.globalAlpha = 1;
      scene.marked.forEach((row, series) => {
        if (row < 0 || row >= found.series[series].n) return;
        path(pen, scene, made, found.series[series], row);
        pen.strokeStyle = found.series.length > 1 ? scene.colours[series] : ink.text;
        pen.lineWidth = 2;
        pen.stroke();
      });
    });
  },

  spot(scene, x, y) {
    const { box, up, peak } = overlayOf(scene);
    if (x < box.left || x > box.right) return null;
    const bin = binAt(scene.found, (x - box.left) / (box.right - box.left));
    let found: Spot | null = null;
    let least = Infinity;
    scene.found.series.forEach((rows, series) => {
      for (let row = rows.n - 1; row >= 0; row--) {
        const level = levelOf(countIn(scene.found, rows, row, bin), peakFor(scene, peak, rows, row), scene.counting);
        const away = Math.abs(toPixel(up, level) - y);
        if (away < least) [found, least] = [{ series, row, bin }, away];
      }
    });
    return found;
  },

  zoomed(scene, drag) {
    const [low, high] = between(overlayOf(scene).across, drag.left, drag.right);
    return { low, high };
  },

  point(pen, scene, { series, row, bin }) {
    const made = overlayOf(scene);
    const rows = scene.found.series[series];
    path(pen, scene, made, rows, row);
    pen.strokeStyle = scene.ink.text;
    pen.lineWidth = 1.8;
    pen.stroke();
    const level = levelOf(countIn(scene.found, rows, row, bin), peakFor(scene, made.peak, rows, row), scene.counting);
    pen.beginPath();
    pen.arc(made.across.r0 + ((bin + 0.5) * (made.across.r1 - made.across.r0)) / scene.found.bins, toPixel(made.up, level), 3, 0, 2 * Math.PI);
    pen.fillStyle = scene.ink.text;
    pen.fill();
  },
};
