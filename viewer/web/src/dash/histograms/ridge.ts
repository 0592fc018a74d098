import { linear, toPixel, type Scale } from "../../chart/scale";
import type { Surface } from "../../chart/svg";
import { countIn, strayShare, type Rows } from "./frame";
import { axisTicks, between, binAt, drawBottom, drawLeft, extentOf, inside, levelOf, peakFor, peakOf, plotOf, valuesAcross, valueTicks, type Box, type Picture, type Scene, type Spot } from "./scene";

/** Of the picture's height, what the highest bucket of the row at the back may take. */
const RISE = 0.36;
/** A drag that goes up or down by less chooses only values. */
const STRAIGHT_PX = 12;

interface Ridge {
  box: Box;
  across: Scale;
  /** Where each row stands: the first at the back. */
  depth: Scale;
  rise: number;
  peak: number;
}

function ridgeOf(scene: Scene): Ridge {
  const box = plotOf(scene);
  const rise = (box.bottom - box.top) * RISE;
  const [lo, hi] = extentOf(scene.found);
  return { box, across: valuesAcross(scene, box), depth: linear(lo, hi, box.top + rise, box.bottom), rise, peak: peakOf(scene.found) };
}

/** All rows of all series, from the back to the front. */
function backToFront({ found }: Scene): { rows: Rows; series: number; row: number }[] {
  const all = found.series.flatMap((rows, series) => Array.from({ length: rows.n }, (_, row) => ({ rows, series, row })));
  return all.sort((a, b) => a.rows.x[a.row] - b.rows.x[b.row] || b.series - a.series);
}

/** A row's line as a path; over empty buckets it is left out where it is not `closed`: the ground of fifty rows is noise. */
function outline(pen: Surface, scene: Scene, { across, depth, rise, peak }: Ridge, rows: Rows, row: number, closed: boolean): void {
  const { found } = scene;
  const base = toPixel(depth, rows.x[row]);
  const own = peakFor(scene, peak, rows, row);
  const step = (across.r1 - across.r0) / found.bins;
  const level = (bin: number): number => (bin >= 0 && bin < found.bins ? levelOf(countIn(found, rows, row, bin), own, scene.counting) : 0);
  pen.beginPath();
  if (closed) pen.moveTo(across.r0, base);
  let lifted = !closed;
  for (let bin = 0; bin < found.bins; bin++) {
    const here = level(bin);
    if (!closed && here === 0 && level(bin - 1) === 0 && level(bin + 1) === 0) {
      lifted = true;
      continue;
    }
    const x = across.r0 + (bin + 0.5) * step;
    if (lifted) pen.moveTo(x, base - rise * here);
    else pen.lineTo(x, base - rise * here);
    lifted = false;
  }
  if (closed) pen.lineTo(across.r1, base);
}

/** How much of a row is NaN or infinite: a red bar on its ground, from the right. */
function stray(pen: Surface, { ink }: Scene, { box, depth }: Ridge, rows: Rows, row: number): void {
  const share = strayShare(rows, row);
  if (share <= 0) return;
  const long = 4 + share * (box.right - box.left) * 0.25;
  pen.globalAlpha = 1;
  pen.fillStyle = ink.bad;
  pen.beginPath();
  pen.rect(box.right - long, toPixel(depth, rows.x[row]) - 1.5, long, 2);
  pen.fill();
}

/** The histograms one before the other: values across, the newest in front. */
export const ridge: Picture = {
  draw(pen, scene) {
    const made = ridgeOf(scene);
    const { box, across, depth } = made;
    const { found, ink } = scene;
    drawBottom(pen, scene, box, across, valueTicks(scene, box.right - box.left, 56));
    drawLeft(pen, scene, box, depth, axisTicks(found.x, depth.d0, depth.d1, Math.max(2, (depth.r1 - depth.r0) / 34)), false);
    const marking = scene.marked.some((row) => row >= 0);
    const several = found.series.length > 1;
    inside(pen, { ...box, bottom: box.bottom + 1 }, () => {
      for (const { rows, series, row } of backToFront(scene)) {
        const age = (rows.x[row] - depth.d0) / (depth.d1 - depth.d0);
        const faint = marking ? 0.35 : 1;
        outline(pen, scene, made, rows, row, true);
        pen.fillStyle = ink.panel;
        pen.globalAlpha = several ? 0.45 : 0.85;
        pen.fill();
        pen.fillStyle = scene.colours[series];
        pen.globalAlpha = (0.12 + 0.4 * age) * faint;
        pen.fill();
        outline(pen, scene, made, rows, row, false);
        pen.strokeStyle = scene.colours[series];
        pen.lineWidth = 1;
        pen.globalAlpha = (0.45 + 0.55 * age) * faint;
        pen.stroke();
        stray(pen, scene, made, rows, row);
      }
      pen.globalAlpha = 1;
      // In front of all, whatever stands before them.
      scene.marked.forEach((row, series) => {
        if (row < 0 || row >= found.series[series].n) return;
        outline(pen, scene, made, found.series[series], row, false);
        pen.strokeStyle = several ? scene.colours[series] : ink.text;
        pen.lineWidth = 2;
        pen.stroke();
      });
    });
  },

  spot(scene, x, y) {
    const { box, across, depth, rise, peak } = ridgeOf(scene);
    if (x < box.left || x > box.right) return null;
    const bin = binAt(scene.found, (x - across.r0) / (across.r1 - across.r0));
    let found: Spot | null = null;
    let least = Infinity;
    scene.found.series.forEach((rows, series) => {
      for (let row = 0; row < rows.n; row++) {
        const base = toPixel(depth, rows.x[row]);
        const top = base - rise * levelOf(countIn(scene.found, rows, row, bin), peakFor(scene, peak, rows, row), scene.counting);
        // Its line counts most, where two stand on the same ground.
        const away = Math.abs(base - y) + Math.abs(top - y) / 100;
        if (away < least) [found, least] = [{ series, row, bin }, away];
      }
    });
    return found;
  },

  zoomed(scene, drag) {
    const { across, depth } = ridgeOf(scene);
    const [low, high] = between(across, drag.left, drag.right);
    const wide = drag.right - drag.left >= STRAIGHT_PX;
    const tall = drag.bottom - drag.top >= STRAIGHT_PX;
    const [first, last] = between(depth, drag.top, drag.bottom);
    return { ...(wide && { low, high }), ...(tall && last > first && { first, last }) };
  },

  point(pen, scene, { series, row, bin }) {
    const made = ridgeOf(scene);
    const rows = scene.found.series[series];
    outline(pen, scene, made, rows, row, false);
    pen.strokeStyle = scene.ink.text;
    pen.lineWidth = 1.6;
    pen.stroke();
    const own = peakFor(scene, made.peak, rows, row);
    const x = made.across.r0 + ((bin + 0.5) * (made.across.r1 - made.across.r0)) / scene.found.bins;
    const y = toPixel(made.depth, rows.x[row]) - made.rise * levelOf(countIn(scene.found, rows, row, bin), own, scene.counting);
    pen.beginPath();
    pen.arc(x, y, 3, 0, 2 * Math.PI);
    pen.fillStyle = scene.ink.text;
    pen.fill();
  },
};
