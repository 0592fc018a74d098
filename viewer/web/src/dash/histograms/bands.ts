import { linear, toPixel, type Scale } from "../../chart/scale";
import type { Surface } from "../../chart/svg";
import { MEDIAN, SHARES, strayShare, type Rows } from "./frame";
import { axisTicks, between, binAt, drawBottom, drawLeft, extentOf, inside, nearestRow, plotOf, valueTicks, type Box, type Picture, type Scene, type Spot } from "./scene";

interface Bands {
  box: Box;
  across: Scale;
  up: Scale;
}

function bandsOf(scene: Scene): Bands {
  const box = plotOf(scene);
  const [lo, hi] = extentOf(scene.found);
  return { box, across: linear(lo, hi, box.left, box.right), up: linear(scene.found.low, scene.found.high, box.bottom, box.top) };
}

function shareAt(rows: Rows, row: number, share: number): number {
  return rows.shares[row * SHARES.length + share];
}

/** Runs of rows that have values: an empty histogram has no percentiles, and no band goes through it. */
export function stretches(rows: Rows): [from: number, to: number][] {
  const found: [number, number][] = [];
  for (let row = 0; row < rows.n; row++) {
    if (Number.isNaN(shareAt(rows, row, 0))) continue;
    const last = found.at(-1);
    if (last && last[1] === row) last[1] = row + 1;
    else found.push([row, row + 1]);
  }
  return found;
}

function fillBand(pen: Surface, { across, up }: Bands, rows: Rows, [from, to]: [number, number], share: number): void {
  const x = (row: number): number => toPixel(across, rows.x[row]);
  const other = SHARES.length - 1 - share;
  pen.beginPath();
  if (to - from === 1) {
    const [top, bottom] = [toPixel(up, shareAt(rows, from, other)), toPixel(up, shareAt(rows, from, share))];
    pen.rect(x(from) - 1.5, top, 3, Math.max(1, bottom - top));
  } else {
    for (let row = from; row < to; row++) {
      const y = toPixel(up, shareAt(rows, row, other));
      if (row === from) pen.moveTo(x(row), y);
      else pen.lineTo(x(row), y);
    }
    for (let row = to - 1; row >= from; row--) pen.lineTo(x(row), toPixel(up, shareAt(rows, row, share)));
  }
  pen.fill();
}

function line(pen: Surface, { across, up }: Bands, rows: Rows, [from, to]: [number, number], share: number): void {
  pen.beginPath();
  for (let row = from; row < to; row++) {
    const [x, y] = [toPixel(across, rows.x[row]), toPixel(up, shareAt(rows, row, share))];
    if (row === from) pen.moveTo(x, y);
    else pen.lineTo(x, y);
  }
  if (to - from === 1) pen.lineTo(toPixel(across, rows.x[from]) + 2, toPixel(up, shareAt(rows, from, share)));
  pen.stroke();
}

/** What so many percent of the values lie below: steps across, values up, one band in another, the median a line. */
export const bands: Picture = {
  draw(pen, scene) {
    const made = bandsOf(scene);
    const { box, across, up } = made;
    const { found, ink } = scene;
    drawLeft(pen, scene, box, up, valueTicks(scene, box.bottom - box.top, 36), true);
    drawBottom(pen, scene, box, across, axisTicks(found.x, across.d0, across.d1, Math.max(2, (box.right - box.left) / 70)));
    const alpha = found.series.length > 1 ? 0.13 : 0.2;
    inside(pen, box, () => {
      found.series.forEach((rows, i) => {
        pen.fillStyle = pen.strokeStyle = scene.colours[i];
        for (const stretch of stretches(rows)) {
          for (let share = 0; share < MEDIAN; share++) {
            pen.globalAlpha = alpha;
            fillBand(pen, made, rows, stretch, share);
          }
          pen.globalAlpha = 1;
          pen.lineWidth = 1.6;
          line(pen, made, rows, stretch, MEDIAN);
          pen.lineWidth = 0.8;
          pen.globalAlpha = 0.5;
          line(pen, made, rows, stretch, 0);
          line(pen, made, rows, stretch, SHARES.length - 1);
          pen.globalAlpha = 1;
        }
        pen.fillStyle = ink.bad;
        for (let row = 0; row < rows.n; row++) {
          if (strayShare(rows, row) <= 0) continue;
          pen.beginPath();
          pen.rect(toPixel(across, rows.x[row]) - 1, box.top, 2, 4);
          pen.fill();
        }
        const chosen = scene.marked[i];
        if (chosen >= 0 && chosen < rows.n) bands.point(pen, scene, { series: i, row: chosen, bin: -1 });
      });
    });
  },

  spot(scene, x, y) {
    const { box, across, up } = bandsOf(scene);
    if (x < box.left || x > box.right) return null;
    let found: Spot | null = null;
    let least = Infinity;
    const bin = binAt(scene.found, (box.bottom - y) / (box.bottom - box.top));
    scene.found.series.forEach((rows, series) => {
      const row = nearestRow(rows, across, x);
      if (row < 0) return;
      const median = shareAt(rows, row, MEDIAN);
      const away = Number.isNaN(median) ? 1e6 : Math.abs(toPixel(up, median) - y);
      if (away < least) [found, least] = [{ series, row, bin }, away];
    });
    return found;
  },

  zoomed(scene, drag) {
    const { across, up } = bandsOf(scene);
    const [first, last] = between(across, drag.left, drag.right);
    const [low, high] = between(up, drag.top, drag.bottom);
    return { ...(drag.right - drag.left >= 12 && { first, last }), ...(drag.bottom - drag.top >= 12 && high > low && { low, high }) };
  },

  point(pen, scene, { series, row }) {
    const { box, across, up } = bandsOf(scene);
    const rows = scene.found.series[series];
    const x = toPixel(across, rows.x[row]);
    pen.strokeStyle = scene.ink.axis;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(scene.snap(x), box.top);
    pen.lineTo(scene.snap(x), box.bottom);
    pen.stroke();
    pen.fillStyle = scene.ink.text;
    for (let share = 0; share < SHARES.length; share++) {
      const value = shareAt(rows, row, share);
      if (Number.isNaN(value)) return;
      pen.beginPath();
      pen.arc(x, toPixel(up, value), share === MEDIAN ? 3 : 2, 0, 2 * Math.PI);
      pen.fill();
    }
  },
};
