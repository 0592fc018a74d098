/** The samples of a sound that are in view: from one to the one before another. */
export interface Part {
  from: number;
  to: number;
}

/** Closer than so many samples one cannot come. */
const LEAST = 32;

/** Comes closer by a factor, or goes back, to where a sample stays under the pointer; never beyond the sound's ends. */
export function zoomed({ from, to }: Part, length: number, around: number, by: number): Part {
  const size = Math.min(length, Math.max(Math.min(LEAST, length), Math.round((to - from) / by)));
  const share = to > from ? (around - from) / (to - from) : 0.5;
  return placed(Math.round(around - share * size), size, length);
}

/** As much of the sound, so many samples later. */
export function moved({ from, to }: Part, length: number, by: number): Part {
  return placed(Math.round(from + by), to - from, length);
}

/** As much of it, moved as little as brings a sample into view. */
export function showing(part: Part, length: number, sample: number): Part {
  if (sample >= part.from && sample < part.to) return part;
  return moved(part, length, sample < part.from ? sample - part.from : sample - part.from - (part.to - part.from) * 0.05);
}

function placed(from: number, size: number, length: number): Part {
  const start = Math.min(length - size, Math.max(0, from));
  return { from: start, to: start + size };
}
