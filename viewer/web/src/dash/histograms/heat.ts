import { linear, toPixel, type Scale } from "../../chart/scale";
import { countIn, strayShare, type Rows } from "./frame";
import { axisTicks, between, binAt, drawBottom, drawLeft, extentOf, inside, levelOf, nearestRow, peakFor, peakOf, plotOf, spansOf, valueTicks, type Box, type Picture, type Scene } from "./scene";

/** Shades of a colour; cells of one shade are filled at once. */
const SHADES = 32;
const GAP_PX = 8;
/** Least height of one run's strip. */
const STRIP_PX = 36;
const STRAY_PX = 3;

interface Heat {
  box: Box;
  across: Scale;
  /** Each run's own part of the picture, and its values from the bottom up. */
  strips: { box: Box; up: Scale }[];
}

function heatOf(scene: Scene): Heat {
  const box = plotOf(scene);
  const [lo, hi] = extentOf(scene.found);
  const count = Math.max(1, scene.found.series.length);
  const each = (box.bottom - box.top - GAP_PX * (count - 1)) / count;
  const strips = Array.from({ length: count }, (_, i) => {
    const top = box.top + i * (each + GAP_PX);
    const strip = { left: box.left, right: box.right, top, bottom: top + each };
    return { box: strip, up: linear(scene.found.low, scene.found.high, strip.bottom, strip.top) };
  });
  return { box, across: linear(lo, hi, box.left + 3, box.right - 3), strips };
}

/** How many runs there is room for in so many pixels. */
export function stripsIn(height: number): number {
  return Math.max(1, Math.floor(height / (STRIP_PX + GAP_PX)));
}

/** The cells of one run by their shade: left, top, width and height of each, in pixels. */
export function cellsOf(scene: Scene, rows: Rows, strip: Box, across: Scale, peak: number): number[][] {
  const { found, snap } = scene;
  const shades: number[][] = Array.from({ length: SHADES }, () => []);
  const ends = spansOf(rows, across);
  const tall = (strip.bottom - strip.top) / found.bins;
  for (let row = 0; row < rows.n; row++) {
    const left = Math.max(strip.left, snap(ends[2 * row]));
    const right = Math.min(strip.right, Math.max(left + 1, snap(ends[2 * row + 1])));
    const own = peakFor(scene, peak, rows, row);
    for (let bin = 0; bin < found.bins; bin++) {
      const level = levelOf(countIn(found, rows, row, bin), own, scene.counting);
      if (level <= 0) continue;
      const bottom = snap(strip.bottom - bin * tall);
      const top = snap(strip.bottom - (bin + 1) * tall);
      shades[Math.min(SHADES - 1, Math.floor(level * SHADES))].push(left, top, right - left, Math.max(1, bottom - top));
    }
  }
  return shades;
}

/** Steps across, values up, counts as colour: one strip a run. */
export const heat: Picture = {
  draw(pen, scene) {
    const { box, across, strips } = heatOf(scene);
    const { found, ink } = scene;
    drawBottom(pen, scene, box, across, axisTicks(found.x, across.d0, across.d1, Math.max(2, (box.right - box.left) / 70)));
    const peak = peakOf(found);
    found.series.forEach((rows, i) => {
      const strip = strips[i];
      drawLeft(pen, scene, strip.box, strip.up, valueTicks(scene, strip.box.bottom - strip.box.top, 36), false);
      inside(pen, strip.box, () => {
        pen.fillStyle = scene.colours[i];
        cellsOf(scene, rows, strip.box, across, peak).forEach((cells, shade) => {
          if (cells.length === 0) return;
          pen.globalAlpha = 0.1 + 0.9 * ((shade + 1) / SHADES) ** 0.8;
          pen.beginPath();
          for (let at = 0; at < cells.length; at += 4) pen.rect(cells[at], cells[at + 1], cells[at + 2], cells[at + 3]);
          pen.fill();
        });
        pen.globalAlpha = 1;
        pen.fillStyle = ink.bad;
        const ends = spansOf(rows, across);
        for (let row = 0; row < rows.n; row++) {
          if (strayShare(rows, row) <= 0) continue;
          pen.beginPath();
          pen.rect(ends[2 * row], strip.box.top, Math.max(1, ends[2 * row + 1] - ends[2 * row]), STRAY_PX);
          pen.fill();
        }
        const chosen = scene.marked[i];
        if (chosen >= 0 && chosen < rows.n) heat.point(pen, scene, { series: i, row: chosen, bin: -1 });
      });
    });
  },

  spot(scene, x, y) {
    const { box, across, strips } = heatOf(scene);
    if (x < box.left || x > box.right) return null;
    const series = scene.found.series.length > 1 ? Math.min(strips.length - 1, Math.max(0, strips.findIndex((strip) => y <= strip.box.bottom + GAP_PX / 2))) : 0;
    const rows = scene.found.series[series] as Rows | undefined;
    const row = rows ? nearestRow(rows, across, x) : -1;
    const strip = strips[series].box;
    return row < 0 ? null : { series, row, bin: binAt(scene.found, (strip.bottom - y) / (strip.bottom - strip.top)) };
  },

  zoomed(scene, drag) {
    const { across, strips } = heatOf(scene);
    const strip = strips.find(({ box }) => drag.top <= box.bottom) ?? strips[0];
    const [first, last] = between(across, drag.left, drag.right);
    const [low, high] = between(strip.up, drag.top, drag.bottom);
    return { ...(drag.right - drag.left >= 12 && { first, last }), ...(drag.bottom - drag.top >= 12 && high > low && { low, high }) };
  },

  point(pen, scene, { series, row, bin }) {
    const { across, strips } = heatOf(scene);
    const rows = scene.found.series[series];
    const { box } = strips[series];
    const ends = spansOf(rows, across);
    pen.strokeStyle = scene.ink.text;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.rect(ends[2 * row], box.top + 0.5, Math.max(2, ends[2 * row + 1] - ends[2 * row]), box.bottom - box.top - 1);
    pen.stroke();
    if (bin < 0) return;
    const tall = (box.bottom - box.top) / scene.found.bins;
    const y = toPixel(linear(0, scene.found.bins, box.bottom, box.top), bin + 1);
    pen.beginPath();
    pen.rect(ends[2 * row], y, Math.max(2, ends[2 * row + 1] - ends[2 * row]), Math.max(2, tall));
    pen.stroke();
  },
};
