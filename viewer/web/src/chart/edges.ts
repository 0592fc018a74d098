import type { Pen } from "./draw";
import { inside } from "./extent";
import { toPixel, type Scale } from "./scale";
import type { Range, Trace } from "./trace";

/** Points that the height of a chart leaves out, of those within its width. */
export interface Outside {
  above: number;
  below: number;
  /** Whether there may be more: of a long series only a part is held, its extremes among them. */
  more?: boolean;
}

const GAP_PX = 6;
const MARK_PX = 5;

/** Counts the points of the lines above and below, and calls `at` for each, one per `GAP_PX` and trace. */
export function outside(
  traces: readonly Trace[],
  sx: Scale,
  y: Range,
  at?: (trace: Trace, pixel: number, above: boolean) => void,
): Outside {
  const count: Outside = { above: 0, below: 0, ...(traces.some(({ buckets }) => buckets) && { more: true }) };
  for (const trace of traces) {
    const { line, x, origin } = trace;
    const [from, to] = inside(trace, { lo: sx.d0, hi: sx.d1 });
    const last = { above: -Infinity, below: -Infinity };
    for (let i = from; i < to; i++) {
      const value = line[i];
      // Infinities have arrows of their own, and NaN is neither.
      if (!(value > y.hi || value < y.lo) || value === Infinity || value === -Infinity) continue;
      const away = x[i] - origin;
      if (!(away >= sx.d0 && away <= sx.d1)) continue;
      const side = value > y.hi ? "above" : "below";
      count[side]++;
      if (!at) continue;
      const pixel = toPixel(sx, away);
      if (Math.abs(pixel - last[side]) < GAP_PX) continue;
      last[side] = pixel;
      at(trace, pixel, side === "above");
    }
  }
  return count;
}

/** Short bars at the edges where points lie outside; returns how many do. */
export function drawOutside(pen: Pen, traces: readonly Trace[], sx: Scale, sy: Scale): Outside {
  pen.lineWidth = 2;
  let colour = "";
  return outside(traces, sx, { lo: sy.d0, hi: sy.d1 }, (trace, pixel, above) => {
    if (trace.colour !== colour) pen.strokeStyle = colour = trace.colour;
    const edge = above ? sy.r1 - 3 : sy.r0;
    pen.beginPath();
    pen.moveTo(pixel, edge);
    pen.lineTo(pixel, edge + (above ? MARK_PX : -MARK_PX));
    pen.stroke();
  });
}

/** "▲ 3" and "▼ 1": how many, and where. */
export function outsideLabels({ above, below, more }: Outside): { above: string; below: string } {
  const text = (count: number): string => `${count.toLocaleString("en")}${more ? "+" : ""}`;
  return { above: above ? `▲ ${text(above)}` : "", below: below ? `▼ ${text(below)}` : "" };
}
