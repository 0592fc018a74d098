/**
 * Which of the palette's hues a run has.
 *
 * A run prefers the hue that its name hashes to, so it keeps it between sessions. Runs are
 * served in the order in which they started, and a run whose preferred hue is taken gets the
 * next of the least used ones: up to ten runs never share. Where a filter leaves few runs
 * of many and two of them share, the later one borrows a free hue for as long as it lasts.
 */

/** FNV-1a over UTF-16 units, unsigned. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  // The low bits of FNV-1a mix badly, and they are what a small modulus sees.
  hash ^= hash >>> 15;
  return hash >>> 0;
}

function firstFrom(start: number, count: number, fits: (hue: number) => boolean): number {
  for (let i = 0; i < count; i++) {
    const hue = (start + i) % count;
    if (fits(hue)) return hue;
  }
  return start;
}

/** The lasting hue of every run; `runs` in the order in which they started. */
export function lastingHues(runs: readonly string[], count: number): Map<string, number> {
  const uses = new Array<number>(count).fill(0);
  const hues = new Map<string, number>();
  for (const run of runs) {
    const least = Math.min(...uses);
    const hue = firstFrom(hashName(run) % count, count, (candidate) => uses[candidate] === least);
    uses[hue]++;
    hues.set(run, hue);
  }
  return hues;
}

/** The hues to draw with: lasting ones, but no two drawn runs share while a hue is free. */
export function drawnHues(lasting: ReadonlyMap<string, number>, drawn: readonly string[], count: number): Map<string, number> {
  const taken = new Set<number>();
  const hues = new Map(lasting);
  const clashing: string[] = [];
  for (const run of drawn) {
    const hue = lasting.get(run) ?? 0;
    if (taken.has(hue)) clashing.push(run);
    else taken.add(hue);
  }
  for (const run of clashing) {
    if (taken.size === count) break;
    const hue = firstFrom(lasting.get(run) ?? 0, count, (candidate) => !taken.has(candidate));
    taken.add(hue);
    hues.set(run, hue);
  }
  return hues;
}
