import { toPixel, type Scale } from "./scale";

/** A polyline in pixels, x and y by turns; NaN lifts the pen. Reused, so that drawing allocates nothing. */
export class Path {
  xy = new Float32Array(4096);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  /** Room for another two points. */
  reserve(): Float32Array {
    if (this.length + 4 > this.xy.length) {
      const bigger = new Float32Array(this.xy.length * 2);
      bigger.set(this.xy);
      this.xy = bigger;
    }
    return this.xy;
  }

  push(x: number, y: number): void {
    this.reserve();
    this.xy[this.length++] = x;
    this.xy[this.length++] = y;
  }

  lift(): void {
    if (this.length > 0 && !Number.isNaN(this.xy[this.length - 1])) this.push(NaN, NaN);
  }

  /** Leaves out each point that the line passes all the same, not further than `away` above or below it. */
  thin(away: number): void {
    const { xy } = this;
    let to = 0;
    // Of the last point that stays, and between which slopes a line from there passes all that were left out since.
    let [x0, y0, least, most] = [NaN, NaN, NaN, NaN];
    for (let i = 0; i < this.length; i += 2) {
      const x = xy[i];
      const y = xy[i + 1];
      const slope = (y - y0) / (x - x0);
      if (x > x0 && slope >= least && slope <= most) to -= 2;
      else {
        least = -Infinity;
        most = Infinity;
        if (to > 0) [x0, y0] = [xy[to - 2], xy[to - 1]];
      }
      least = Math.max(least, (y - away - y0) / (x - x0));
      most = Math.min(most, (y + away - y0) / (x - x0));
      xy[to++] = x;
      xy[to++] = y;
    }
    this.length = to;
  }
}

/** Farther out than any canvas; beyond it a rasteriser's own numbers overflow. */
const FAR = 1e5;

function near(pixel: number): number {
  return pixel > FAR ? FAR : pixel < -FAR ? -FAR : pixel;
}

/**
 * Writes points `from`..`to` as a path with at most two points per column of `cell` pixels:
 * its lowest and its highest, in the order in which they came. No extreme is lost, whatever
 * the number of points. What is not finite, or has no place on a scale, lifts the pen.
 */
export function decimate(
  x: Float64Array,
  y: Float64Array,
  origin: number,
  from: number,
  to: number,
  sx: Scale,
  sy: Scale,
  cell: number,
  out: Path,
): void {
  const straight = sx.kind === "linear";
  const level = sy.kind === "linear";
  const positive = sy.kind === "log";
  const { r0: left, b0: first, k: across } = sx;
  const { r0: bottom, b0: least, k: up } = sy;
  let column = NaN;
  let low = 0;
  let high = 0;
  // Written out for what nearly all charts are, as it runs for every point of each: not even a call where none is needed.
  const flush = (): void => {
    if (column !== column) return;
    const xy = out.reserve();
    for (let i = low < high ? low : high; ; i = low < high ? high : low) {
      const away = x[i] - origin;
      const px = left + ((straight ? away : sx.bend(away)) - first) * across;
      const py = bottom + ((level ? y[i] : sy.bend(y[i])) - least) * up;
      xy[out.length++] = px > FAR || px < -FAR ? near(px) : px;
      xy[out.length++] = py > FAR || py < -FAR ? near(py) : py;
      if (i >= low && i >= high) return;
    }
  };
  for (let i = from; i < to; i++) {
    const value = y[i];
    if (value - value !== 0 || (positive && value <= 0)) {
      flush();
      out.lift();
      column = NaN;
      continue;
    }
    const away = x[i] - origin;
    const at = Math.floor((left + ((straight ? away : sx.bend(away)) - first) * across) / cell);
    if (at !== column) {
      flush();
      column = at;
      low = high = i;
    } else {
      if (value < y[low]) low = i;
      if (value >= y[high]) high = i;
    }
  }
  flush();
}

export type Oddity = "nan" | "up" | "down";

export interface Mark {
  kind: Oddity;
  x: number;
  /** Where the line was before, or NaN if nothing came before. */
  y: number;
}

/** Where values are not finite, at most one mark of a kind per `gap` pixels. */
export function oddities(
  x: Float64Array,
  y: Float64Array,
  origin: number,
  from: number,
  to: number,
  sx: Scale,
  sy: Scale,
  gap: number,
): Mark[] {
  const marks: Mark[] = [];
  const last: Record<Oddity, number> = { nan: -Infinity, up: -Infinity, down: -Infinity };
  let before = NaN;
  for (let i = from; i < to; i++) {
    const value = y[i];
    if (value - value === 0) {
      before = value;
      continue;
    }
    const kind = value === Infinity ? "up" : value === -Infinity ? "down" : "nan";
    const px = toPixel(sx, x[i] - origin);
    if (Math.abs(px - last[kind]) < gap) continue;
    last[kind] = px;
    marks.push({ kind, x: px, y: near(toPixel(sy, before)) });
  }
  return marks;
}
