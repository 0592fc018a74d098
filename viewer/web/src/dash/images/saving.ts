import { fileName } from "../../chart/table";
import { download } from "../../ui/download";
import { GAP_PX, LABEL_PX, type Sheet } from "./fit";
import type { Picture, Pictures, Place } from "./pictures";
import { brightness, contrast } from "./settings";
import { zipped } from "./zip";

interface Wanted {
  label: string;
  place: Place;
}

/** Largest side of a sheet, in pixels: browsers draw no larger canvas. */
const MOST_PX = 16_384;
const ENDINGS: Record<string, string> = { "image/png": "png", "image/gif": "gif", "image/jpeg": "jpg", "image/webp": "webp", "image/bmp": "bmp" };

export function endingOf({ blob }: Picture): string {
  return ENDINGS[blob.type] ?? "bin";
}

/** Those of the wanted that can be had, in their order. */
async function gathered(pictures: Pictures, wanted: readonly Wanted[]): Promise<{ of: Wanted; picture: Picture }[]> {
  const held = wanted.map((of) => ({ of, ...pictures.hold(of.place) }));
  const found: { of: Wanted; picture: Picture }[] = [];
  for (const { of, promise } of held) {
    const picture = await promise.catch(() => null);
    if (picture) found.push({ of, picture });
  }
  // What is drawn or packed next is in memory already: the bytes stay with their pictures.
  for (const { release } of held) release();
  return found;
}

/** Saves all pictures of a step in one, as they are tiled, with the brightness and contrast that are set. */
export async function savedShown(pictures: Pictures, name: string, wanted: readonly Wanted[], sheet: Sheet): Promise<void> {
  const found = await gathered(pictures, wanted);
  const rows = Math.ceil(wanted.length / sheet.columns);
  const [width, height] = [sheet.columns * (sheet.width + GAP_PX) - GAP_PX, rows * (sheet.height + GAP_PX) - GAP_PX];
  const scale = Math.min(2, MOST_PX / width, MOST_PX / height);
  const canvas = new OffscreenCanvas(Math.ceil(width * scale), Math.ceil(height * scale));
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(scale, scale);
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.font = "11px system-ui, sans-serif";
  for (const { of, picture } of found) {
    const at = wanted.indexOf(of);
    const [x, y] = [(at % sheet.columns) * (sheet.width + GAP_PX), Math.floor(at / sheet.columns) * (sheet.height + GAP_PX)];
    const bitmap = await createImageBitmap(picture.blob).catch(() => null);
    if (!bitmap) continue;
    const fit = Math.min(sheet.width / bitmap.width, (sheet.height - LABEL_PX) / bitmap.height);
    pen.imageSmoothingEnabled = fit < 1;
    pen.filter = `brightness(${brightness.value}%) contrast(${contrast.value}%)`;
    pen.drawImage(bitmap, x + (sheet.width - bitmap.width * fit) / 2, y, bitmap.width * fit, bitmap.height * fit);
    bitmap.close();
    pen.filter = "none";
    pen.fillStyle = "#333";
    pen.fillText(`${of.label}${of.place.n > 0 ? ` #${of.place.n + 1}` : ""} · step ${of.place.step}`, x, y + sheet.height - 5, sheet.width);
  }
  download(await canvas.convertToBlob(), fileName(`${name}-step-${stepsIn(wanted)}`, "png"));
}

/** Saves the files as they were written: the one, or all of a step in an archive. */
export async function savedWritten(pictures: Pictures, name: string, wanted: readonly Wanted[]): Promise<void> {
  const found = await gathered(pictures, wanted);
  if (found.length === 1) return savedOne(found[0].picture);
  const files = await Promise.all(
    found.map(async ({ picture }, i) => ({
      name: `${String(i + 1).padStart(3, "0")}-${nameOf(picture)}`,
      data: new Uint8Array(await picture.blob.arrayBuffer()),
    })),
  );
  download(zipped(files), fileName(`${name}-step-${stepsIn(wanted)}`, "zip"));
}

export function savedOne(picture: Picture): void {
  download(picture.blob, nameOf(picture));
}

function nameOf(picture: Picture): string {
  const { run, tag, step, n } = picture.place;
  return fileName(`${run}-${tag}-${step}${picture.count > 1 ? `-${n + 1}` : ""}`, endingOf(picture));
}

function stepsIn(wanted: readonly Wanted[]): string {
  const steps = wanted.map(({ place }) => place.step);
  const [least, most] = [Math.min(...steps), Math.max(...steps)];
  return least === most ? String(least) : `${least}-${most}`;
}
