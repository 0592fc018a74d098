/** Points on the screen: where each is, which are near or inside. */

/** Three numbers a point, moved into a ball of radius 1; those that are no numbers stay as they are. */
export interface Fitted {
  places: Float32Array;
  middle: readonly [number, number, number];
  scale: number;
}

/** Fits points: the middle of their box goes to the origin, and the farthest of its corners' axes to 1. */
export function fitted(coordinates: Float32Array): Fitted {
  const least = [Infinity, Infinity, Infinity];
  const most = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < coordinates.length; i++) {
    const k = i % 3;
    const value = coordinates[i];
    if (!Number.isFinite(value)) continue;
    if (value < least[k]) least[k] = value;
    if (value > most[k]) most[k] = value;
  }
  const middle = least.map((low, k) => (low <= most[k] ? (low + most[k]) / 2 : 0)) as [number, number, number];
  const half = Math.max(...least.map((low, k) => (low <= most[k] ? (most[k] - low) / 2 : 0)));
  const scale = half > 0 ? 1 / half : 1;
  const places = new Float32Array(coordinates.length);
  for (let i = 0; i < places.length; i++) places[i] = (coordinates[i] - middle[i % 3]) * scale;
  return { places, middle, scale };
}

/** x, y in pixels and the depth of each point; NaN where it is behind the eye, hidden or no number. */
export function onScreen(places: Float32Array, matrix: Float64Array, width: number, height: number, shown: Uint8Array | null, into?: Float32Array): Float32Array {
  const out = into?.length === places.length ? into : new Float32Array(places.length);
  const [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = matrix;
  for (let i = 0; i < places.length; i += 3) {
    const x = places[i];
    const y = places[i + 1];
    const z = places[i + 2];
    const w = m3 * x + m7 * y + m11 * z + m15;
    if (!(w > 0) || (shown !== null && shown[i / 3] === 0)) {
      out[i] = out[i + 1] = out[i + 2] = NaN;
      continue;
    }
    out[i] = ((m0 * x + m4 * y + m8 * z + m12) / w + 1) * 0.5 * width;
    out[i + 1] = (1 - (m1 * x + m5 * y + m9 * z + m13) / w) * 0.5 * height;
    out[i + 2] = (m2 * x + m6 * y + m10 * z + m14) / w;
  }
  return out;
}

/** The point next to a place, at most `reach` pixels away; of equally near ones the foremost. -1 where none is. */
export function nearestAt(screen: Float32Array, x: number, y: number, reach: number): number {
  let found = -1;
  let least = reach * reach;
  let front = Infinity;
  for (let i = 0; i < screen.length; i += 3) {
    const dx = screen[i] - x;
    const dy = screen[i + 1] - y;
    // Whole steps of two pixels: what overlaps is told apart by depth.
    const away = dx * dx + dy * dy;
    if (!(away <= least)) continue;
    if (away > least - 4 && found >= 0 && screen[i + 2] > front) continue;
    found = i / 3;
    least = away;
    front = screen[i + 2];
  }
  return found;
}

export type Outline = readonly (readonly [number, number])[];

/** The points inside an outline, by the rule of odd crossings; two corners are those of a box. */
export function inside(screen: Float32Array, outline: Outline): number[] {
  const [first, second] = outline;
  const corners: Outline = outline.length === 2 ? [first, [second[0], first[1]], second, [first[0], second[1]]] : outline;
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found: number[] = [];
  for (let i = 0; i < screen.length; i += 3) {
    const x = screen[i];
    const y = screen[i + 1];
    if (!(x >= left && x <= right && y >= top && y <= bottom)) continue;
    if (outline.length === 2 || crossed(x, y, xs, ys)) found.push(i / 3);
  }
  return found;
}

function crossed(x: number, y: number, xs: readonly number[], ys: readonly number[]): boolean {
  let odd = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) odd = !odd;
  }
  return odd;
}

/** Boxes of texts that do not lie over each other, in order of how much they are wanted. */
export class Room {
  readonly #cells = new Map<string, [number, number, number, number][]>();
  static readonly CELL = 64;

  /** Takes the box if it is free. */
  take(x: number, y: number, width: number, height: number): boolean {
    const keys: string[] = [];
    for (let i = Math.floor(x / Room.CELL); i <= Math.floor((x + width) / Room.CELL); i++) {
      for (let j = Math.floor(y / Room.CELL); j <= Math.floor((y + height) / Room.CELL); j++) keys.push(`${i},${j}`);
    }
    for (const key of keys) {
      for (const [ox, oy, ow, oh] of this.#cells.get(key) ?? []) if (x < ox + ow && ox < x + width && y < oy + oh && oy < y + height) return false;
    }
    for (const key of keys) this.#cells.set(key, [...(this.#cells.get(key) ?? []), [x, y, width, height]]);
    return true;
  }
}
