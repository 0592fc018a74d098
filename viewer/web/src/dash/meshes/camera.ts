/** Where one looks from: angles around what is looked at, in degrees, how near, and what is in the middle. */
export interface Pose {
  /** Around the axis that points up. */
  turn: number;
  /** Above the ground; 90 is straight from above. */
  tilt: number;
  /** Times the size at which everything fits. */
  zoom: number;
  /** What is in the middle, in radii from the middle of what is drawn. */
  at: readonly [number, number, number];
}

export type Vector = readonly [number, number, number];
export type Up = "y" | "z";

export const USUAL: Pose = { turn: 30, tilt: 25, zoom: 1, at: [0, 0, 0] };
export const FOV = 40;
const LEAST_ZOOM = 0.02;
const MOST_ZOOM = 500;
const FARTHEST = 50;
/** Radii that fit into a card: a little more than the thing itself. */
const MARGIN = 1.04;
const RADIANS = Math.PI / 180;

export function isPose(value: unknown): value is Pose {
  const { turn, tilt, zoom, at } = (value ?? {}) as Record<string, unknown>;
  const numbers = [turn, tilt, zoom, ...(Array.isArray(at) && at.length === 3 ? (at as unknown[]) : [NaN])];
  if (!numbers.every((one) => typeof one === "number" && Number.isFinite(one))) return false;
  return (zoom as number) >= LEAST_ZOOM && (zoom as number) <= MOST_ZOOM && Math.abs(tilt as number) <= 90 && numbers.slice(3).every((one) => Math.abs(one as number) <= FARTHEST);
}

/** As the address has it: no more digits than one sees. */
export function rounded({ turn, tilt, zoom, at }: Pose): Pose {
  const to = (value: number): number => Number(value.toPrecision(4));
  return { turn: Math.round(turn * 10) / 10, tilt: Math.round(tilt * 10) / 10, zoom: to(zoom), at: [to(at[0]), to(at[1]), to(at[2])] };
}

export function turned(pose: Pose, turn: number, tilt: number): Pose {
  return { ...pose, turn: ((((pose.turn + turn) % 360) + 540) % 360) - 180, tilt: Math.min(90, Math.max(-90, pose.tilt + tilt)) };
}

export function zoomed(pose: Pose, factor: number): Pose {
  return { ...pose, zoom: Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, pose.zoom * factor)) };
}

/** The eye's axes: to its right, above it, and behind it. */
export function axesOf({ turn, tilt }: Pose, up: Up): { right: Vector; above: Vector; behind: Vector } {
  const [st, ct, sp, cp] = [Math.sin(turn * RADIANS), Math.cos(turn * RADIANS), Math.sin(tilt * RADIANS), Math.cos(tilt * RADIANS)];
  const stand = (x: number, y: number, z: number): Vector => (up === "y" ? [x, y, z] : [x, -z, y]);
  return { right: stand(ct, 0, -st), above: stand(-st * sp, cp, -ct * sp), behind: stand(st * cp, sp, ct * cp) };
}

/** Half of the height that is seen at what is in the middle, in radii: all fits into a card of any shape. */
export function halfHeight(pose: Pose, aspect: number, fov: number, parallel: boolean): number {
  // A sphere touches the edges of what is seen: as far away as 1 / sin, of whose plane tan is seen.
  const narrow = Math.min(1, aspect);
  if (parallel) return MARGIN / narrow / pose.zoom;
  const tan = Math.tan((fov / 2) * RADIANS);
  return (MARGIN * tan) / Math.sin(Math.atan(tan * narrow)) / pose.zoom;
}

/** How far the eye is from what is in the middle, in radii. */
export function distanceOf(pose: Pose, aspect: number, fov: number, parallel: boolean): number {
  return parallel ? 10 : halfHeight(pose, aspect, fov, false) / Math.tan((fov / 2) * RADIANS);
}

/** Moves what is seen by so many pixels. */
export function panned(pose: Pose, dx: number, dy: number, size: { width: number; height: number }, fov: number, parallel: boolean, up: Up): Pose {
  const { right, above } = axesOf(pose, up);
  const unit = (2 * halfHeight(pose, size.width / size.height, fov, parallel)) / size.height;
  const along = (i: 0 | 1 | 2): number => Math.min(FARTHEST, Math.max(-FARTHEST, pose.at[i] - (right[i] * dx - above[i] * dy) * unit));
  return { ...pose, at: [along(0), along(1), along(2)] };
}
