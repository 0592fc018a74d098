/** The pictures of points: one picture that holds a small one for each row. */
import { checked } from "../../data/api";
import type { Atlas } from "./stage";

/** Width and height of one picture, and how many of them lie across and down. */
export interface Sheet {
  width: number;
  height: number;
  across: number;
  down: number;
  /** How many there are. */
  pictures: number;
}

/** @throws Error when it cannot be had or is no picture. */
export async function fetchAtlas(url: string, sheet: Sheet, largest: number, signal: AbortSignal): Promise<Atlas> {
  const blob = await (await checked(await fetch(url, { signal }))).blob();
  const whole = await createImageBitmap(blob, 0, 0, sheet.across * sheet.width, sheet.down * sheet.height);
  const scale = Math.min(1, largest / whole.width, largest / whole.height);
  if (scale === 1) return { image: whole, columns: sheet.across, rows: sheet.down };
  const image = await createImageBitmap(whole, { resizeWidth: Math.floor(whole.width * scale), resizeHeight: Math.floor(whole.height * scale) });
  whole.close();
  return { image, columns: sheet.across, rows: sheet.down };
}

/** Paints the picture of a row. */
export function paintOne(canvas: HTMLCanvasElement, { image, columns, rows }: Atlas, row: number): void {
  const [width, height] = [image.width / columns, image.height / rows];
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  canvas.getContext("2d")?.drawImage(image, (row % columns) * width, Math.floor(row / columns) * height, width, height, 0, 0, canvas.width, canvas.height);
}
