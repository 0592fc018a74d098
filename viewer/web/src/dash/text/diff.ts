/** What became of a part of a text. */
export interface Piece {
  kind: "same" | "gone" | "new";
  text: string;
}

/** Edits that are looked for: beyond these a part counts as replaced, so that no comparison takes long. */
const MOST_EDITS = 1_000;

function lines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function words(text: string): string[] {
  return text.match(/\s+|\p{N}+(?:[.,]\p{N}+)*|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

/** What differs, line by line, or inside of lines that differ word by word. */
export function compare(before: string, after: string, grain: "words" | "lines"): Piece[] {
  const rough = joined(edits(lines(before), lines(after)));
  if (grain === "lines") return rough;
  const fine: Piece[] = [];
  for (let at = 0; at < rough.length; at++) {
    const [here, next] = [rough[at], rough[at + 1]];
    if (here.kind === "gone" && next?.kind === "new") {
      fine.push(...edits(words(here.text), words(next.text)));
      at++;
    } else fine.push(here);
  }
  return joined(fine);
}

/** Neighbours of one kind as one piece; between two that are the same, what is gone stands before what is new. */
function joined(pieces: readonly Piece[]): Piece[] {
  const found: Piece[] = [];
  let gone = "";
  let fresh = "";
  const flush = (): void => {
    if (gone) found.push({ kind: "gone", text: gone });
    if (fresh) found.push({ kind: "new", text: fresh });
    gone = fresh = "";
  };
  for (const { kind, text } of pieces) {
    if (kind === "gone") gone += text;
    else if (kind === "new") fresh += text;
    else {
      flush();
      const last = found.at(-1);
      if (last?.kind === "same") last.text += text;
      else found.push({ kind, text });
    }
  }
  flush();
  return found;
}

/** The fewest edits between two lists, by the greedy algorithm of Myers (1986), where they are few enough. */
function edits(a: readonly string[], b: readonly string[]): Piece[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const same = (text: string): Piece => ({ kind: "same", text });
  const middle = between(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...a.slice(0, start).map(same), ...middle, ...a.slice(a.length - end).map(same)];
}

function between(a: readonly string[], b: readonly string[]): Piece[] {
  const gone = (text: string): Piece => ({ kind: "gone", text });
  const fresh = (text: string): Piece => ({ kind: "new", text });
  const [n, m] = [a.length, b.length];
  const most = Math.min(n + m, MOST_EDITS);
  const reach = new Int32Array(2 * most + 3);
  const middle = most + 1;
  const trace: Int32Array[] = [];
  for (let d = 0; d <= most; d++) {
    trace.push(reach.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = down ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      while (x < n && x - k < m && a[x] === b[x - k]) x++;
      reach[middle + k] = x;
      if (x >= n && x - k >= m) return walk(a, b, trace);
    }
  }
  return [...a.map(gone), ...b.map(fresh)];
}

function walk(a: readonly string[], b: readonly string[], trace: readonly Int32Array[]): Piece[] {
  const found: Piece[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = trace.length - 1; d > 0; d--) {
    const reach = trace[d];
    const of = (k: number): number => reach[k + d + 1];
    const k = x - y;
    const down = k === -d || (k !== d && of(k - 1) < of(k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = of(from);
    const fromY = fromX - from;
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      found.push({ kind: "same", text: a[--x] });
      y--;
    }
    if (down) found.push({ kind: "new", text: b[--y] });
    else found.push({ kind: "gone", text: a[--x] });
  }
  while (x > 0) found.push({ kind: "same", text: a[--x] });
  return found.reverse();
}
