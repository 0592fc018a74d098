/** How each point is painted: colour, opacity, size, shape. */
import type { Shading } from "./shades";
import { USUAL_SIZE } from "./size";

export interface Wanted {
  colours: Uint8Array;
  shading: Shading;
  coordinates: Float32Array;
  /** Values of the colour's column that stand out; none: all do. */
  only: ReadonlySet<string>;
  /** Places that stand out among the others; null: all do. */
  front: ReadonlySet<number> | null;
  /** Places that are left; null: all are. */
  alone: ReadonlySet<number> | null;
  /** Places painted larger. */
  large: ReadonlySet<number>;
}

/** Opacity of what does not stand out. */
const FAINT = 40;

export interface Looks {
  colours: Uint8Array;
  looks: Uint8Array;
  /** 1 for points that are seen. */
  shown: Uint8Array;
  /** 1 for points that a pointer finds: what is seen and not faint. */
  count: number;
}

export function looksOf({ colours, shading, coordinates, only, front, alone, large }: Wanted): Looks {
  const count = coordinates.length / 3;
  const out = { colours: new Uint8Array(count * 4), looks: new Uint8Array(count * 4), shown: new Uint8Array(count), count: 0 };
  const some = only.size > 0 && shading.kind === "categories";
  const named = shading.entries.map(({ value }) => only.has(value));
  for (let i = 0; i < count; i++) {
    const there = Number.isFinite(coordinates[3 * i] + coordinates[3 * i + 1] + coordinates[3 * i + 2]) && (alone === null || alone.has(i));
    const entry = shading.of[i] ?? -1;
    const faint = (some && !(entry >= 0 && named[entry])) || (front !== null && !front.has(i));
    out.colours.set(colours.subarray(3 * i, 3 * i + 3), 4 * i);
    out.colours[4 * i + 3] = faint ? FAINT : 255;
    out.looks[4 * i] = large.has(i) ? USUAL_SIZE * 1.5 : faint ? USUAL_SIZE * 0.75 : USUAL_SIZE;
    out.looks[4 * i + 1] = shading.kind === "categories" && entry >= 0 ? shading.entries[entry].shape : 0;
    out.looks[4 * i + 2] = out.shown[i] = there ? 1 : 0;
    if (there) out.count++;
  }
  return out;
}

/** Pixels across of a point, as so many of them have room. */
export function sizeOf(points: number, pictures: boolean): number {
  const size = Math.min(9, Math.max(2.5, 13.5 - 2.1 * Math.log10(Math.max(1, points))));
  return pictures ? Math.max(10, size * 3.2) : size;
}
