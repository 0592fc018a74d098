import type { Pixels } from "./pixels";

/** How far two pictures are apart, in shares of the largest number. */
export interface Apart {
  image: ImageData;
  /** Mean and most of the absolute differences of colours and of alpha. */
  mean: number;
  most: number;
  /** Share of the pixels that differ at all. */
  share: number;
}

/** Red, green, blue and alpha from 0 to 1; grey is all three colours alike. */
function rgba({ channels, data, most }: Pixels, i: number, out: Float64Array): void {
  const at = i * channels;
  for (let c = 0; c < 3; c++) out[c] = data[at + (channels < 3 ? 0 : c)] / most;
  out[3] = channels === 2 || channels === 4 ? data[at + channels - 1] / most : 1;
}

/** Absolute differences, times `gain`, as a picture of the first one's size; the second is stretched to it. */
export function difference(a: Pixels, b: Pixels, gain = 1): Apart {
  const { width, height } = a;
  const image = new ImageData(width, height);
  const [one, two] = [new Float64Array(4), new Float64Array(4)];
  let [sum, most, differ] = [0, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor((y * b.height) / height) * b.width;
    for (let x = 0; x < width; x++, i++) {
      rgba(a, i, one);
      rgba(b, row + Math.floor((x * b.width) / width), two);
      const away = [0, 1, 2, 3].map((c) => Math.abs(one[c] - two[c]));
      const farthest = Math.max(...away);
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(255 * Math.min(1, gain * Math.max(away[c], away[3])));
      image.data[4 * i + 3] = 255;
      sum += (away[0] + away[1] + away[2]) / 3;
      most = Math.max(most, farthest);
      if (farthest > 0) differ++;
    }
  }
  const count = Math.max(1, width * height);
  return { image, mean: sum / count, most, share: differ / count };
}

/** The least and the greatest number of a picture's colours, its alpha left out. */
export function span({ channels, data }: Pixels): [least: number, greatest: number] {
  const colours = channels === 2 || channels === 4 ? channels - 1 : channels;
  let [least, greatest] = [Infinity, -Infinity];
  for (let i = 0; i < data.length; i += channels) {
    for (let c = 0; c < colours; c++) {
      if (data[i + c] < least) least = data[i + c];
      if (data[i + c] > greatest) greatest = data[i + c];
    }
  }
  return [least, greatest];
}

/** A picture with its least number drawn black and its greatest white. */
export function stretched(pixels: Pixels): ImageData {
  const { width, height, channels, data, most } = pixels;
  const [least, greatest] = span(pixels);
  const factor = greatest > least ? 255 / (greatest - least) : 0;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const at = i * channels;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round((data[at + (channels < 3 ? 0 : c)] - least) * factor);
    image.data[4 * i + 3] = channels === 2 || channels === 4 ? (255 * data[at + channels - 1]) / most : 255;
  }
  return image;
}
