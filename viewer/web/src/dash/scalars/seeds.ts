import type { Trace } from "../../chart/trace";
import type { BandKind, Centre } from "./settings";

/** One run: ascending places, each once, with its values and whatever else goes along. */
interface Line {
  key: Float64Array;
  columns: Float64Array[];
}

/** Rows in the order of their places, of those at one place the one written last. */
export function byKey(key: Float64Array, columns: readonly Float64Array[]): Line {
  let rises = true;
  for (let i = 1; i < key.length; i++) if (!(key[i] > key[i - 1])) rises = false;
  if (rises && key.length > 0 && !Number.isNaN(key[0])) return { key, columns: [...columns] };
  const order = Array.from(key.keys()).filter((i) => !Number.isNaN(key[i]));
  order.sort((a, b) => key[a] - key[b] || a - b);
  const kept = order.filter((at, i) => i + 1 === order.length || key[order[i + 1]] !== key[at]);
  const take = (column: Float64Array): Float64Array => Float64Array.from(kept, (at) => column[at]);
  return { key: take(key), columns: columns.map(take) };
}

/** All places that any of the lines has, ascending. */
function unionOf(lines: readonly Line[]): Float64Array {
  const all = new Float64Array(lines.reduce((sum, { key }) => sum + key.length, 0));
  let at = 0;
  for (const { key } of lines) {
    all.set(key, at);
    at += key.length;
  }
  all.sort();
  let n = 0;
  for (let i = 0; i < all.length; i++) if (i === 0 || all[i] !== all[i - 1]) all[n++] = all[i];
  return all.subarray(0, n);
}

/** What a line has at each place of the grid: its own, or what lies between its neighbours; NaN before its first and behind its last. */
function placed({ key, columns }: Line, grid: Float64Array): { there: Uint8Array; columns: Float64Array[] } {
  const there = new Uint8Array(grid.length);
  const out = columns.map(() => new Float64Array(grid.length).fill(NaN));
  let right = 0;
  for (let i = 0; i < grid.length; i++) {
    while (right < key.length && key[right] < grid[i]) right++;
    if (right === key.length) break;
    const exact = key[right] === grid[i];
    if (!exact && right === 0) continue;
    there[i] = 1;
    const left = exact ? right : right - 1;
    const share = exact ? 0 : (grid[i] - key[left]) / (grid[i] - key[left] + (key[right] - grid[i]));
    for (let c = 0; c < columns.length; c++) {
      const column = columns[c];
      out[c][i] = share === 0 ? column[left] : column[left] * (1 - share) + column[right] * share;
    }
  }
  return { there, columns: out };
}

const T_975 = [
  12.706204736174694, 4.302652729749462, 3.1824463052837078, 2.7764451051977934, 2.5705818356363146, 2.4469118511449786,
  2.364624251592784, 2.306004135204166, 2.262157162798205, 2.228138851986274, 2.200985160091639, 2.1788128296672284,
  2.1603686564627913, 2.144786687917804, 2.131449545559776, 2.1199052992212546, 2.1098155778333156, 2.1009220402410382,
  2.0930240544083087, 2.085963447265864,
];

/** The 97.5 % quantile of Student's t: a table to 20 degrees of freedom, then Abramowitz and Stegun 26.7.5, to within 1e-6. */
export function student975(degrees: number): number {
  if (degrees <= T_975.length) return T_975[degrees - 1] ?? NaN;
  const x = 1.959963984540054;
  const terms = [
    (x ** 3 + x) / 4,
    (5 * x ** 5 + 16 * x ** 3 + 3 * x) / 96,
    (3 * x ** 7 + 19 * x ** 5 + 17 * x ** 3 - 15 * x) / 384,
    (79 * x ** 9 + 776 * x ** 7 + 1482 * x ** 5 - 1920 * x ** 3 - 945 * x) / 92160,
  ];
  return terms.reduce((sum, term, i) => sum + term / degrees ** (i + 1), x);
}

/** How far the band reaches from the mean; NaN for one value, which tells nothing of how values spread. */
function halfOf(values: Float64Array, n: number, mean: number, band: BandKind): number {
  if (n < 2) return NaN;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i] - mean) ** 2;
  const deviation = Math.sqrt(squares / (n - 1));
  if (band === "std") return deviation;
  const error = deviation / Math.sqrt(n);
  return band === "sem" ? error : error * student975(n - 1);
}

function medianOf(values: Float64Array, n: number): number {
  const sorted = values.slice(0, n);
  // As numpy's median: one that is not a number leaves no middle.
  if (sorted.some(Number.isNaN)) return NaN;
  sorted.sort();
  const middle = n >> 1;
  return n % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export interface Spread {
  key: Float64Array;
  centre: Float64Array;
  low: Float64Array;
  high: Float64Array;
  /** How many lines count at each place. */
  count: Float64Array;
  /** Means of whatever else went along. */
  beside: Float64Array[];
}

/**
 * Several lines as one, with the definitions of tallyboard.aggregate (core/bands.py): at every place that
 * any of them has, each interpolated between its own neighbours and counted only between its own first and
 * last place. The band is the mean's whatever the centre: ± s, ± s/√n, ± t s/√n, or from least to greatest.
 */
export function spreadOf(lines: readonly Line[], centre: Centre, band: BandKind): Spread {
  const key = unionOf(lines);
  const n = key.length;
  const members = lines.map((line) => placed(line, key));
  const [middle, low, high, count] = [0, 1, 2, 3].map(() => new Float64Array(n));
  const beside = (lines[0]?.columns ?? []).slice(1).map(() => new Float64Array(n));
  const values = new Float64Array(lines.length);
  for (let i = 0; i < n; i++) {
    let here = 0;
    let sum = 0;
    let least = Infinity;
    let greatest = -Infinity;
    for (const { there, columns } of members) {
      if (!there[i]) continue;
      const value = columns[0][i];
      values[here++] = value;
      sum += value;
      // Comparisons let NaN through unseen; a mean with one in it is NaN, and so are its edges.
      least = Number.isNaN(value) ? NaN : Math.min(least, value);
      greatest = Number.isNaN(value) ? NaN : Math.max(greatest, value);
      for (let c = 0; c < beside.length; c++) beside[c][i] += columns[c + 1][i];
    }
    for (const column of beside) column[i] /= here;
    const mean = sum / here;
    middle[i] = centre === "median" ? medianOf(values, here) : mean;
    count[i] = here;
    if (band === "minmax") [low[i], high[i]] = [least, greatest];
    else {
      const half = halfOf(values, here, mean, band);
      [low[i], high[i]] = [mean - half, mean + half];
    }
  }
  return { key, centre: middle, low, high, count, beside };
}

/**
 * The runs of a group as one trace. On an axis of steps they meet at equal places of it; on any other they
 * meet at equal steps, and stand where they stand on average.
 */
export function together(members: readonly Trace[], byStep: boolean, look: Pick<Trace, "name" | "colour">, centre: Centre, band: BandKind): Trace {
  const lines = members.map(({ n, x, origin, step, wall, raw }) => {
    const place = x.slice(0, n).map((at) => at - origin);
    const first = wall[0];
    const beside = [wall.subarray(0, n), wall.slice(0, n).map((at) => at - first), ...(byStep ? [step.subarray(0, n)] : [place])];
    return byKey(byStep ? place : step.subarray(0, n), [raw.subarray(0, n), ...beside]);
  });
  const { key, centre: raw, low, high, count, beside } = spreadOf(lines, centre, band);
  const [wall, , third] = beside;
  const x = byStep ? key : third;
  let rising = true;
  for (let i = 1; i < x.length; i++) if (!(x[i] >= x[i - 1])) rising = false;
  return {
    ...look,
    n: key.length,
    x,
    origin: 0,
    rising: rising && !Number.isNaN(x[0]),
    step: byStep ? third : key,
    wall,
    raw,
    line: raw,
    ...(band !== "none" && { low, high }),
    count,
    runs: members.map(({ name }) => name),
  };
}
