import type { Part } from "./part";

/** Samples of one piece: 23 ms at 44,100 a second, and frequencies 43 Hz apart. */
const PIECE = 1024;
/** What is that much quieter than the loudest is not seen. */
const RANGE_DB = 80;

/** Magnitudes of frequencies from 0 to half the sampling rate, of `size` real numbers, a power of two, which are lost. */
export function magnitudes(re: Float64Array, im: Float64Array): void {
  const size = re.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let length = 2; length <= size; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let start = 0; start < size; start += length) {
      for (let k = 0; k < length / 2; k++) {
        const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
        const [a, b] = [start + k, start + k + length / 2];
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        [re[b], im[b]] = [re[a] - x, im[a] - y];
        [re[a], im[a]] = [re[a] + x, im[a] + y];
      }
    }
  }
  for (let i = 0; i < size / 2; i++) re[i] = Math.hypot(re[i], im[i]);
}

/** A picture of a part of a channel: time along, frequencies up, from 0 to half the sampling rate; the brighter, the louder. */
export function spectrogram(samples: Float32Array, { from: begin, to: end }: Part, width: number, height: number): ImageData {
  const image = new ImageData(width, height);
  const decibels = new Float64Array(width * height);
  const [re, im] = [new Float64Array(PIECE), new Float64Array(PIECE)];
  let loudest = -Infinity;
  for (let x = 0; x < width; x++) {
    const middle = begin + ((x + 0.5) / width) * (end - begin);
    const start = Math.round(middle - PIECE / 2);
    for (let i = 0; i < PIECE; i++) {
      const value = samples[start + i] ?? 0;
      re[i] = value * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (PIECE - 1)));
      im[i] = 0;
    }
    magnitudes(re, im);
    for (let y = 0; y < height; y++) {
      const [from, to] = [Math.floor((y / height) * (PIECE / 2)), Math.max(1 + Math.floor((y / height) * (PIECE / 2)), Math.floor(((y + 1) / height) * (PIECE / 2)))];
      let most = 0;
      for (let i = from; i < to; i++) most = Math.max(most, re[i]);
      const level = 20 * Math.log10(most + 1e-12);
      decibels[(height - 1 - y) * width + x] = level;
      loudest = Math.max(loudest, level);
    }
  }
  for (let i = 0; i < decibels.length; i++) {
    const share = loudest < -200 ? 0 : Math.min(1, Math.max(0, 1 + (decibels[i] - loudest) / RANGE_DB));
    image.data.set(heat(share), 4 * i);
  }
  return image;
}

/** Black over violet and orange to a pale yellow: lightness goes up all the way. */
function heat(share: number): [number, number, number, number] {
  const red = 255 * Math.min(1, Math.max(0, 1.6 * share - 0.1));
  const green = 255 * Math.max(0, 1.5 * share - 0.6);
  const blue = 255 * (share < 0.4 ? 1.5 * share : share < 0.75 ? Math.max(0, 1.3 - 1.75 * share) : Math.min(0.75, 3 * (share - 0.75)));
  return [red, Math.min(245, green), Math.max(0, blue), 255];
}
