import type { Desk } from "./desk.svelte";
import type { Fill, Paper } from "./colours";
import type { Scene } from "./paint";

/** What is to be drawn now; null while nothing is known. */
export function sceneOf(desk: Desk, fills: readonly Fill[], paper: Paper): Scene | null {
  const { outline, width, height, side, top, span, rows, levels, search, plot } = desk;
  if (!outline || width <= 0 || height <= 0) return null;
  return { outline, width, height, side, top, span, rows, levels, search, pixels: plot, fills, paper };
}

/** A canvas as large as it is shown, in the pixels of the screen; its context draws in those of the page. */
export function contextOf(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
