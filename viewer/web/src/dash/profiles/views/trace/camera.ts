/** The window of time that is seen, in nanoseconds. */
export interface Span {
  low: number;
  high: number;
}

/** Nothing was ever recorded that is shorter. */
const LEAST = 5;

/** Within the whole: a window is never wider than that, and never lies beside it. */
export function kept(span: Span, whole: Span): Span {
  const most = Math.max(whole.high - whole.low, LEAST);
  const wide = Math.min(Math.max(span.high - span.low, LEAST), most);
  // What was asked for stays in the middle where it has to be made wider.
  const low = (span.low + span.high - wide) / 2;
  const first = Math.min(Math.max(low, whole.low), whole.low + most - wide);
  return { low: first, high: first + wide };
}

/** Wider or narrower by a factor; the time at a share of the width stays where it is. */
export function zoomed(span: Span, by: number, at: number, whole: Span): Span {
  const wide = Math.min(Math.max((span.high - span.low) * by, LEAST), Math.max(whole.high - whole.low, LEAST));
  const low = span.low + (span.high - span.low - wide) * at;
  return kept({ low, high: low + wide }, whole);
}

/** Moved by a share of its width. */
export function moved(span: Span, by: number, whole: Span): Span {
  const far = (span.high - span.low) * by;
  return kept({ low: span.low + far, high: span.high + far }, whole);
}

/** So that something is seen well: as it is where that is so already, otherwise with room on both sides. */
export function revealing(span: Span, thing: Span, whole: Span): Span {
  const [wide, far] = [span.high - span.low, thing.high - thing.low];
  if (thing.low >= span.low && thing.high <= span.high && far > wide / 300) return span;
  if (far > wide / 60 && far < wide * 0.8) {
    const low = (thing.low + thing.high - wide) / 2;
    return kept({ low, high: low + wide }, whole);
  }
  return around(thing, whole, 8);
}

/** A thing, and around it so many times its own length. */
export function around(thing: Span, whole: Span, times = 1.1): Span {
  const wide = Math.max(thing.high - thing.low, 1) * times;
  const middle = (thing.low + thing.high) / 2;
  return kept({ low: middle - wide / 2, high: middle + wide / 2 }, whole);
}

/** Between two windows: widths by their ratio, so that a long way looks as even as a short one. */
export function between(from: Span, to: Span, part: number): Span {
  if (part >= 1) return to;
  const [a, b] = [from.high - from.low, to.high - to.low];
  const wide = a * (b / a) ** part;
  // The share of the way that the width has come is what the place has come, too.
  const share = Math.abs(b - a) < 1e-9 * Math.max(a, b) ? part : (wide - a) / (b - a);
  const low = from.low + (to.low - from.low) * share;
  return { low, high: low + wide };
}

export const same = (a: Span, b: Span): boolean => Math.abs(a.low - b.low) <= 0.6 && Math.abs(a.high - b.high) <= 0.6;
