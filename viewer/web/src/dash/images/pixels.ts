/** A picture's numbers as they were written, where that is known. */
export interface Pixels {
  width: number;
  height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
  channels: 1 | 2 | 3 | 4;
  /** The largest number there can be. */
  most: number;
  data: Uint8Array | Uint16Array;
}

/** More than this is not decoded a second time for its numbers. */
export const MOST_PIXELS = 1 << 24;

/** The numbers of a picture; null where there are too many. A PNG's are exact, also of 16 bits; of others what the browser makes of them. */
export async function pixelsOf(blob: Blob, width: number, height: number): Promise<Pixels | null> {
  if (width * height > MOST_PIXELS) return null;
  if (blob.type === "image/png") {
    const exact = await fromPng(new Uint8Array(await blob.arrayBuffer()), width, height).catch(() => null);
    if (exact) return exact;
  }
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) return null;
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, height: canvas.height, channels: 4, most: 255, data: new Uint8Array(data.buffer) };
}

/** https://www.w3.org/TR/png-3/ sections 7, 9 and 11; null for what is interlaced, which is rare. */
async function fromPng(file: Uint8Array, width: number, height: number): Promise<Pixels | null> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const [depth, colour, interlaced] = [file[24], file[25], file[28]];
  const samples = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colour];
  if (!samples || interlaced !== 0 || view.getUint32(16) !== width || view.getUint32(20) !== height) return null;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let palette = new Uint8Array(0);
  let alphas = new Uint8Array(0);
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const data = file.slice(at + 8, at + 8 + length);
    if (kind === "IDAT") parts.push(data);
    else if (kind === "PLTE") palette = data;
    else if (kind === "tRNS") alphas = data;
    at += 12 + length;
  }
  const line = Math.ceil((width * samples * depth) / 8);
  const rows = await inflated(parts, (line + 1) * height);
  if (!rows || !unfiltered(rows, line, height, Math.max(1, (samples * depth) / 8))) return null;
  const data = unpacked(rows, line, width * samples, height, depth);
  if (colour === 3) return { width, height, ...painted(data as Uint8Array, palette, alphas), most: 255 };
  if (depth < 8) (data as Uint8Array).forEach((value, i) => (data[i] = Math.round((value * 255) / (2 ** depth - 1))));
  return { width, height, channels: samples as 1 | 2 | 3 | 4, most: depth === 16 ? 65535 : 255, data };
}

/** Exactly so many bytes, or null; what comes after them is not looked at. */
async function inflated(parts: Uint8Array<ArrayBuffer>[], bytes: number): Promise<Uint8Array | null> {
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const out = new Uint8Array(bytes);
  let at = 0;
  while (at < bytes) {
    const { done, value } = await reader.read();
    if (done) return null;
    out.set(value.subarray(0, bytes - at), at);
    at += value.length;
  }
  void reader.cancel().catch(() => undefined);
  return out;
}

/** Undoes the filter of each line in its place. */
function unfiltered(rows: Uint8Array, line: number, height: number, step: number): boolean {
  for (let y = 0; y < height; y++) {
    const at = y * (line + 1) + 1;
    const filter = rows[at - 1];
    const above = y === 0 ? -1 : at - line - 1;
    if (filter > 4) return false;
    for (let x = 0; x < line; x++) {
      const left = x >= step ? rows[at + x - step] : 0;
      const up = above < 0 ? 0 : rows[above + x];
      const corner = x >= step && above >= 0 ? rows[above + x - step] : 0;
      rows[at + x] += filter === 0 ? 0 : filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
    }
  }
  return true;
}

function paeth(left: number, up: number, corner: number): number {
  const sum = left + up - corner;
  const [a, b, c] = [Math.abs(sum - left), Math.abs(sum - up), Math.abs(sum - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function unpacked(rows: Uint8Array, line: number, samples: number, height: number, depth: number): Uint8Array | Uint16Array {
  const out = depth === 16 ? new Uint16Array(samples * height) : new Uint8Array(samples * height);
  for (let y = 0, to = 0; y < height; y++) {
    const at = y * (line + 1) + 1;
    for (let x = 0; x < samples; x++) {
      if (depth === 8) out[to++] = rows[at + x];
      else if (depth === 16) out[to++] = (rows[at + 2 * x] << 8) | rows[at + 2 * x + 1];
      else out[to++] = (rows[at + ((x * depth) >> 3)] >> (8 - depth - ((x * depth) & 7))) & (2 ** depth - 1);
    }
  }
  return out;
}

function painted(indices: Uint8Array, palette: Uint8Array, alphas: Uint8Array): { channels: 3 | 4; data: Uint8Array } {
  const channels = alphas.length > 0 ? 4 : 3;
  const data = new Uint8Array(indices.length * channels);
  indices.forEach((index, i) => {
    data.set(palette.subarray(3 * index, 3 * index + 3), i * channels);
    if (channels === 4) data[i * 4 + 3] = alphas[index] ?? 255;
  });
  return { channels, data };
}

/** The numbers at a place; none outside. */
export function valuesAt({ width, height, channels, data }: Pixels, x: number, y: number): number[] {
  if (x < 0 || y < 0 || x >= width || y >= height) return [];
  const at = (y * width + x) * channels;
  return Array.from(data.subarray(at, at + channels));
}
