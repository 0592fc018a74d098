/** Points `from` to `to` (not included) of a series, in the order in which they were written. */
export interface Stretch {
  from: number;
  to: number;
  /** Whether a later restart took the place of these points. */
  voided: boolean;
}

/**
 * Takes a series apart where its steps go back. With `voiding`, a step that goes back is a
 * restart: it voids every earlier point of its own step or a later one.
 */
export function stretchesOf(step: Float64Array, n: number, voiding: boolean): Stretch[] {
  const found: Stretch[] = [];
  let to = n;
  let voided = false;
  // The lowest step that a restart behind the point at hand began with.
  let floor = Infinity;
  for (let i = n - 1; i >= 0; i--) {
    const is = voiding && step[i] >= floor;
    if (i < n - 1 && (is !== voided || step[i + 1] < step[i])) {
      found.push({ from: i + 1, to, voided });
      to = i + 1;
    }
    voided = is;
    if (i > 0 && step[i] < step[i - 1]) floor = Math.min(floor, step[i]);
  }
  if (n > 0) found.push({ from: 0, to, voided });
  return found.reverse();
}
