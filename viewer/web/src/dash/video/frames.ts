/** When each frame of a video is seen. */
export interface Frames {
  /** In seconds. */
  length: number;
  count: number;
  /** Which frame is seen at a time. */
  at: (time: number) => number;
  /** When a frame begins. */
  start: (frame: number) => number;
}

/** Rounding must not make a frame's own beginning one of the frame before. */
const EDGE = 1e-6;

/** Frames that all stay equally long: so many, where that is known. */
export function even(length: number, rate: number, known = 0): Frames {
  const count = known || Math.max(1, Math.round(length * rate));
  const bounded = (frame: number): number => Math.min(count - 1, Math.max(0, frame));
  return { length, count, at: (time) => bounded(Math.floor(time * rate + EDGE)), start: (frame) => bounded(frame) / rate };
}

/** Frames that stay as long as each says. */
export function uneven(delays: readonly number[]): Frames {
  const starts = [0];
  for (const delay of delays) starts.push(starts[starts.length - 1] + delay);
  const length = starts.pop() ?? 0;
  const at = (time: number): number => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= time + EDGE) low = middle;
      else high = middle;
    }
    return low;
  };
  return { length, count: starts.length, at, start: (frame) => starts[Math.min(starts.length - 1, Math.max(0, frame))] };
}

/** The next moment at which any of the videos shows another frame, or the last at which one showed its frame before. */
export function neighbour(all: Iterable<Frames>, time: number, by: 1 | -1): number {
  let found = by > 0 ? Infinity : 0;
  for (const frames of all) {
    const to = frames.at(time) + by;
    if (by < 0 && to >= 0) found = Math.max(found, frames.start(to));
    else if (by > 0 && to < frames.count) found = Math.min(found, frames.start(to));
  }
  return found === Infinity ? time : found;
}
