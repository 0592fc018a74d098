import type { Vector } from "./camera";

/** The corners of what is there, as far as it is finite, and how far from the middle of them it reaches. */
export interface Bounds {
  low: Vector;
  high: Vector;
  radius: number;
}

/** What a mesh is drawn in: a middle, and how far from it all is seen. */
export interface Ball {
  middle: Vector;
  radius: number;
}

const isOdd = (x: number, y: number, z: number): boolean => !Number.isFinite(x + y + z);

/** Null where no vertex is finite. */
export function boundsOf(vertices: Float32Array): Bounds | null {
  let [x0, y0, z0, x1, y1, z1] = [Infinity, Infinity, Infinity, -Infinity, -Infinity, -Infinity];
  for (let i = 0; i < vertices.length; i += 3) {
    const [x, y, z] = [vertices[i], vertices[i + 1], vertices[i + 2]];
    if (isOdd(x, y, z)) continue;
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
    if (z < z0) z0 = z;
    if (z > z1) z1 = z;
  }
  if (x1 < x0) return null;
  const [mx, my, mz] = middleOf([x0, y0, z0], [x1, y1, z1]);
  let radius = 0;
  for (let i = 0; i < vertices.length; i += 3) {
    const away = (vertices[i] - mx) ** 2 + (vertices[i + 1] - my) ** 2 + (vertices[i + 2] - mz) ** 2;
    if (away > radius && away < Infinity) radius = away;
  }
  return { low: [x0, y0, z0], high: [x1, y1, z1], radius: Math.sqrt(radius) };
}

function middleOf(low: Vector, high: Vector): Vector {
  return [low[0] / 2 + high[0] / 2, low[1] / 2 + high[1] / 2, low[2] / 2 + high[2] / 2];
}

function between(one: Vector, other: Vector): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);
}

export function union(one: Bounds | null, other: Bounds | null): Bounds | null {
  if (!one || !other) return one ?? other;
  const each = (pick: (a: number, b: number) => number, a: Vector, b: Vector): Vector => [pick(a[0], b[0]), pick(a[1], b[1]), pick(a[2], b[2])];
  const [low, high] = [each(Math.min, one.low, other.low), each(Math.max, one.high, other.high)];
  const middle = middleOf(low, high);
  const reach = Math.max(...[one, other].map((part) => between(middle, middleOf(part.low, part.high)) + part.radius));
  return { low, high, radius: Math.min(reach, between(low, high) / 2) };
}

/** The ball around what is there; that of a single place has the radius 1. */
export function ballOf({ low, high, radius }: Bounds): Ball {
  return { middle: middleOf(low, high), radius: radius || 1 };
}

/** Vertices in radii from a ball's middle, where a graphics card's numbers are exact; those that are not finite lie there. */
export function inBall(vertices: Float32Array, { middle, radius }: Ball): Float32Array {
  const made = new Float32Array(vertices.length);
  const [mx, my, mz] = middle;
  for (let i = 0; i < vertices.length; i += 3) {
    const [x, y, z] = [vertices[i], vertices[i + 1], vertices[i + 2]];
    if (isOdd(x, y, z)) continue;
    made[i] = (x - mx) / radius;
    made[i + 1] = (y - my) / radius;
    made[i + 2] = (z - mz) / radius;
  }
  return made;
}

/** The numbers of the vertices that are finite. */
export function finiteIn(vertices: Float32Array): Uint32Array {
  const found = new Uint32Array(vertices.length / 3);
  let count = 0;
  for (let i = 0; i < vertices.length; i += 3) if (!isOdd(vertices[i], vertices[i + 1], vertices[i + 2])) found[count++] = i / 3;
  return found.slice(0, count);
}

/** At each vertex the mean direction of its faces, the larger ones weighing more. */
export function normalsOf(vertices: Float32Array, faces: Uint32Array): Float32Array {
  const made = new Float32Array(vertices.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
    const [ux, uy, uz] = [vertices[b] - vertices[a], vertices[b + 1] - vertices[a + 1], vertices[b + 2] - vertices[a + 2]];
    const [vx, vy, vz] = [vertices[c] - vertices[a], vertices[c + 1] - vertices[a + 1], vertices[c + 2] - vertices[a + 2]];
    const [nx, ny, nz] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const at of [a, b, c]) {
      made[at] += nx;
      made[at + 1] += ny;
      made[at + 2] += nz;
    }
  }
  for (let i = 0; i < made.length; i += 3) {
    const length = Math.hypot(made[i], made[i + 1], made[i + 2]) || 1;
    made[i] /= length;
    made[i + 1] /= length;
    made[i + 2] /= length;
  }
  return made;
}

/** The lines of all faces, each once: pairs of vertices. */
export function edgesOf(faces: Uint32Array, vertices: number): Uint32Array {
  const seen = new Set<number>();
  const found = new Uint32Array(faces.length * 2);
  let count = 0;
  for (let f = 0; f < faces.length; f += 3) {
    for (let side = 0; side < 3; side++) {
      const [a, b] = [faces[f + side], faces[f + ((side + 1) % 3)]];
      const key = a < b ? a * vertices + b : b * vertices + a;
      if (seen.has(key)) continue;
      seen.add(key);
      found[count++] = a;
      found[count++] = b;
    }
  }
  return found.slice(0, count);
}

/** Where a place is in the window, and how near to the eye (-1 to 1); `m` is a matrix of 4 x 4, column by column. */
function projected(m: ArrayLike<number>, x: number, y: number, z: number, width: number, height: number): [x: number, y: number, depth: number] | null {
  const w = m[3] * x + m[7] * y + m[11] * z + m[15];
  if (w <= 0) return null;
  const [cx, cy, cz] = [m[0] * x + m[4] * y + m[8] * z + m[12], m[1] * x + m[5] * y + m[9] * z + m[13], m[2] * x + m[6] * y + m[10] * z + m[14]];
  return [((cx / w + 1) / 2) * width, ((1 - cy / w) / 2) * height, cz / w];
}

export { projected };

/** The point that is drawn nearest to a place of the window: of several within `reach` pixels the foremost. */
export function pointAt(points: Float32Array, which: Uint32Array | null, m: ArrayLike<number>, at: { x: number; y: number; width: number; height: number }, reach: number): number {
  let [best, foremost] = [-1, Infinity];
  const count = which ? which.length : points.length / 3;
  for (let k = 0; k < count; k++) {
    const i = which ? which[k] : k;
    // Written out: there are millions of them.
    const [x, y, z] = [points[i * 3], points[i * 3 + 1], points[i * 3 + 2]];
    const w = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (w <= 0) continue;
    const dx = (((m[0] * x + m[4] * y + m[8] * z + m[12]) / w + 1) / 2) * at.width - at.x;
    if (dx > reach || dx < -reach) continue;
    const dy = ((1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w) / 2) * at.height - at.y;
    const away = dx * dx + dy * dy;
    if (away > reach * reach) continue;
    const depth = (m[2] * x + m[6] * y + m[10] * z + m[14]) / w;
    if (depth < -1 || depth > 1) continue;
    // Being near to the pointer counts, too: a pixel is as much as a hundredth of what there is in depth.
    const cost = depth * 100 + Math.sqrt(away);
    if (cost < foremost) [best, foremost] = [i, cost];
  }
  return best;
}

/** The face that a ray meets first, and how far along the ray; null for none. Source: Möller and Trumbore, 1997. */
export function faceAt(points: Float32Array, faces: Uint32Array, from: Vector, along: Vector): { face: number; at: number } | null {
  const [ox, oy, oz] = from;
  const [dx, dy, dz] = along;
  let [best, nearest] = [-1, Infinity];
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
    const [ax, ay, az] = [points[a], points[a + 1], points[a + 2]];
    const [ux, uy, uz] = [points[b] - ax, points[b + 1] - ay, points[b + 2] - az];
    const [vx, vy, vz] = [points[c] - ax, points[c + 1] - ay, points[c + 2] - az];
    const [px, py, pz] = [dy * vz - dz * vy, dz * vx - dx * vz, dx * vy - dy * vx];
    const det = ux * px + uy * py + uz * pz;
    if (det === 0) continue;
    const [tx, ty, tz] = [ox - ax, oy - ay, oz - az];
    const u = (tx * px + ty * py + tz * pz) / det;
    if (u < 0 || u > 1) continue;
    const [qx, qy, qz] = [ty * uz - tz * uy, tz * ux - tx * uz, tx * uy - ty * ux];
    const v = (dx * qx + dy * qy + dz * qz) / det;
    if (v < 0 || u + v > 1) continue;
    const t = (vx * qx + vy * qy + vz * qz) / det;
    if (t > 0 && t < nearest) [best, nearest] = [f / 3, t];
  }
  return best < 0 ? null : { face: best, at: nearest };
}

/** Which of a face's vertices is nearest to a place. */
export function cornerOf(points: Float32Array, faces: Uint32Array, face: number, [x, y, z]: Vector): number {
  let [best, nearest] = [-1, Infinity];
  for (let side = 0; side < 3; side++) {
    const i = faces[face * 3 + side];
    const away = Math.hypot(points[i * 3] - x, points[i * 3 + 1] - y, points[i * 3 + 2] - z);
    if (away < nearest) [best, nearest] = [i, away];
  }
  return best;
}
