import type { Box } from "./picture";

/** What of a graph is at the upper left corner of the screen, and how many pixels one of the graph has. */
export interface Camera {
  x: number;
  y: number;
  zoom: number;
}

const LEAST = 0.004;
const MOST = 4;

export function zoomed(camera: Camera, by: number, at: readonly [number, number], least = LEAST): Camera {
  const zoom = Math.min(MOST, Math.max(Math.min(least, camera.zoom), camera.zoom * by));
  // What is under the pointer stays there.
  return { zoom, x: camera.x + at[0] / camera.zoom - at[0] / zoom, y: camera.y + at[1] / camera.zoom - at[1] / zoom };
}

/** So that all of a box is seen, and not larger than life. */
export function fitted(box: Box, width: number, height: number, margin = 32, most = 1): Camera {
  const zoom = Math.max(LEAST, Math.min(most, (width - 2 * margin) / Math.max(1, box.width), (height - 2 * margin) / Math.max(1, box.height)));
  return { zoom, x: box.x + box.width / 2 - width / 2 / zoom, y: box.y + box.height / 2 - height / 2 / zoom };
}

/** A box shown whole, below what lies in the upper left corner if that would cover it and leaves the better half. */
export function fittedBelow(box: Box, width: number, height: number, corner: { width: number; height: number }): Camera {
  const whole = fitted(box, width, height);
  const covered = (box.x - whole.x) * whole.zoom < corner.width && (box.y - whole.y) * whole.zoom < corner.height;
  if (!covered || corner.height > height / 2) return whole;
  const lower = fitted(box, width, height - corner.height);
  return { ...lower, y: lower.y - corner.height / lower.zoom };
}

/** As little moved as it takes for a box to be seen, at a size that can be read. */
export function revealing(camera: Camera, box: Box, width: number, height: number): Camera {
  const readable = box.width > width / 0.6 || box.height > height / 0.6 ? fitted(box, width, height).zoom : Math.max(camera.zoom, 0.6);
  const inside =
    readable === camera.zoom &&
    (box.x - camera.x) * camera.zoom >= 8 &&
    (box.y - camera.y) * camera.zoom >= 8 &&
    (box.x + box.width - camera.x) * camera.zoom <= width - 8 &&
    (box.y + box.height - camera.y) * camera.zoom <= height - 8;
  if (inside) return camera;
  return { zoom: readable, x: box.x + box.width / 2 - width / 2 / readable, y: box.y + box.height / 2 - height / 2 / readable };
}
