import type { Up } from "./camera";
import type { Ball, Bounds } from "./geometry";

/** The width of the squares: 1, 2 or 5 times a power of ten, so that about eight lie along a radius or two. */
export function strideOf(length: number): number {
  const rough = length / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((times) => times * power >= rough) ?? 10);
}

/** A grid below what is there, at round numbers: lines as x, y, z of both ends, in radii of the ball. */
export function gridOf({ low, high }: Bounds, { middle, radius }: Ball, up: Up): { lines: number[]; stride: number } {
  const [across, along, standing] = up === "y" ? ([0, 2, 1] as const) : ([0, 1, 2] as const);
  const length = Math.max(high[across] - low[across], high[along] - low[along]) || radius;
  const stride = strideOf(length);
  const range = (i: 0 | 1 | 2): [number, number] => [Math.floor(low[i] / stride) * stride, Math.ceil(high[i] / stride) * stride || stride];
  const lines: number[] = [];
  const put = (one: number, other: number): void => {
    const point = [0, 0, 0];
    point[across] = (one - middle[across]) / radius;
    point[along] = (other - middle[along]) / radius;
    point[standing] = (low[standing] - middle[standing]) / radius;
    lines.push(...point);
  };
  for (const [fixed, free] of [
    [across, along],
    [along, across],
  ] as const) {
    const [from, to] = range(fixed);
    const [start, end] = range(free);
    for (let k = 0; k <= 24 && from + k * stride <= to * (1 + 1e-9) + stride * 1e-6; k++) {
      const at = from + k * stride;
      if (fixed === across) {
        put(at, start);
        put(at, end);
      } else {
        put(start, at);
        put(end, at);
      }
    }
  }
  return { lines, stride };
}
