/** Numbers from 0 to 1 that are the same each time: mulberry32, of 32 bits of state. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** `most` of `count` places in rising order, the same each time; all of them where they are no more. */
export function sampled(count: number, most: number): Int32Array {
  if (count <= most) return Int32Array.from({ length: count }, (_, i) => i);
  const random = seeded(count);
  const chosen = new Int32Array(most);
  // One of each stretch: as even as rows are, whatever order they were logged in.
  for (let i = 0; i < most; i++) {
    const first = Math.floor((i * count) / most);
    const next = Math.floor(((i + 1) * count) / most);
    chosen[i] = first + Math.floor(random() * (next - first));
  }
  return chosen;
}
