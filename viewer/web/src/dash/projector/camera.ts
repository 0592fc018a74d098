/** Where the picture is looked at from. Points are fitted into a ball of radius 1 around the origin before. */
export interface Camera {
  /** Radians around the upright axis, and up from the level. */
  yaw: number;
  pitch: number;
  /** 1 shows the whole ball. */
  zoom: number;
  /** What the middle of the picture shows. */
  at: readonly [number, number, number];
}

export const START: Camera = { yaw: 0.5, pitch: 0.35, zoom: 0.85, at: [0, 0, 0] };
export const START_FLAT: Camera = { yaw: 0, pitch: 0, zoom: 1, at: [0, 0, 0] };

/** Half the height that is seen at distance 1. */
const SLOPE = Math.tan((22.5 * Math.PI) / 180);
/** The ball and some air, whatever the picture's shape. */
const AIR = 1.08;
const STEEPEST = Math.PI / 2;
const ZOOMS = [0.05, 400] as const;

/** How far the eye is from what it looks at. */
export function distanceOf(camera: Camera): number {
  return AIR / SLOPE / camera.zoom;
}

/** World units that a pixel of the middle is wide; `width` and `height` of the picture in pixels. */
export function unitsOf(camera: Camera, width: number, height: number): number {
  return (2 * AIR) / camera.zoom / Math.max(1, Math.min(width, height));
}

/**
 * What takes a point to the clip space of WebGL: 16 numbers, column after column. Flat pictures have no depth, and their
 * yaw and pitch are left out.
 */
export function matrixOf(camera: Camera, width: number, height: number, flat: boolean): Float64Array {
  const [tx, ty, tz] = camera.at;
  const least = Math.min(width, height);
  const sx = (camera.zoom * least) / Math.max(1, width) / AIR;
  const sy = (camera.zoom * least) / Math.max(1, height) / AIR;
  if (flat) return Float64Array.from([sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, 0, 0, -tx * sx, -ty * sy, 0, 1]);
  const [right, up, back] = basisOf(camera);
  const away = distanceOf(camera);
  const near = Math.max(away - 4, away / 1000);
  const far = away + 4 + Math.hypot(tx, ty, tz);
  const along = (axis: readonly number[]): number => -(axis[0] * tx + axis[1] * ty + axis[2] * tz);
  const a = (far + near) / (near - far);
  const b = (2 * far * near) / (near - far);
  const [fx, fy] = [sx * away, sy * away];
  const depth = along(back) - away;
  return Float64Array.from([
    ...[right[0] * fx, up[0] * fy, back[0] * a, -back[0]],
    ...[right[1] * fx, up[1] * fy, back[1] * a, -back[1]],
    ...[right[2] * fx, up[2] * fy, back[2] * a, -back[2]],
    ...[along(right) * fx, along(up) * fy, depth * a + b, -depth],
  ]);
}

/** Unit vectors of the eye: to its right, up, and to its back. */
export function basisOf({ yaw, pitch }: Camera): [number, number, number][] {
  const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  return [
    [cy, 0, -sy],
    [-sy * sp, cp, -cy * sp],
    [sy * cp, sp, cy * cp],
  ];
}

export function orbited(camera: Camera, yaw: number, pitch: number): Camera {
  const turned = (camera.yaw + yaw) % (2 * Math.PI);
  return { ...camera, yaw: turned, pitch: Math.min(STEEPEST, Math.max(-STEEPEST, camera.pitch + pitch)) };
}

/** Moves the picture by so many pixels to the right and down. */
export function panned(camera: Camera, dx: number, dy: number, width: number, height: number, flat: boolean): Camera {
  const unit = unitsOf(camera, width, height);
  const [right, up] = flat ? basisOf(START_FLAT) : basisOf(camera);
  const at = camera.at.map((one, k) => Math.min(9, Math.max(-9, one - right[k] * dx * unit + up[k] * dy * unit)));
  return { ...camera, at: at as [number, number, number] };
}

/** Zooms about a place of the picture, given in pixels from its middle: what is there stays there. */
export function zoomed(camera: Camera, by: number, px: number, py: number, width: number, height: number, flat: boolean): Camera {
  const zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], camera.zoom * by));
  const left = camera.zoom / zoom;
  const moved = panned(camera, -px * (1 - left), -py * (1 - left), width, height, flat);
  return { ...moved, zoom };
}

/** As the address says it: six numbers, as short as they may be. */
export function said(camera: Camera): string {
  return [camera.yaw, camera.pitch, camera.zoom, ...camera.at].map((one) => String(Number(one.toFixed(3)))).join(",");
}

export function heard(text: string): Camera | null {
  const numbers = text.split(",").map(Number);
  if (numbers.length !== 6 || !numbers.every(Number.isFinite)) return null;
  const [yaw, pitch, zoom, x, y, z] = numbers;
  const held = (one: number): number => Math.min(9, Math.max(-9, one));
  return { yaw, pitch: Math.min(STEEPEST, Math.max(-STEEPEST, pitch)), zoom: Math.min(ZOOMS[1], Math.max(ZOOMS[0], zoom)), at: [held(x), held(y), held(z)] };
}
