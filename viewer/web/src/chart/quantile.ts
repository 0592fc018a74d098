/** Puts the `k`-th smallest of the first `n` values at index `k`, with no smaller one behind it; nothing is NaN. */
function select(values: Float64Array, n: number, k: number): number {
  let left = 0;
  let right = n - 1;
  while (left < right) {
    const pivot = values[(left + right) >>> 1];
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i <= j) {
        const swapped = values[i];
        values[i++] = values[j];
        values[j--] = swapped;
      }
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else break;
  }
  return values[k];
}

/**
 * The values that leave a `share` below and a `share` above, of the first `n`, by nearest
 * rank and outwards: a few values lose none. Their order is not kept.
 */
export function middle(values: Float64Array, n: number, share: number): [lo: number, hi: number] {
  if (n === 0) return [Infinity, -Infinity];
  const below = Math.floor((n - 1) * share);
  return [select(values, n, below), select(values, n, n - 1 - below)];
}
