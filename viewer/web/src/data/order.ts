type Token = string | readonly number[];

// A number may have a fraction and an exponent: learning rates stand in most run names. With
// two dots or more it is a version, whose parts count one by one.
const NUMBER = /\d+(?:\.\d+)*(?:e[-+]?\d+(?![a-z\d]))?/gi;

function tokens(name: string): Token[] {
  const found: Token[] = [];
  let end = 0;
  for (const match of name.matchAll(NUMBER)) {
    found.push(name.slice(end, match.index));
    const parts = match[0].split(".");
    found.push(parts.length > 2 ? parts.map(Number.parseFloat) : [Number(match[0])]);
    end = match.index + match[0].length;
  }
  found.push(name.slice(end));
  return found;
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareTokens(a: readonly Token[], b: readonly Token[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const x = a[i];
    const y = b[i];
    // Texts and numbers take turns from the same start, so both are of one kind.
    const order =
      typeof x === "string" || typeof y === "string"
        ? compareTexts(String(x).toLowerCase(), String(y).toLowerCase())
        : compareNumbers(x, y);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Natural order: "run2" before "run10", "lr=1e-4" before "lr=0.003" before "lr=0.03". */
export function naturally(a: string, b: string): number {
  return compareTokens(tokens(a), tokens(b)) || compareTexts(a, b);
}

/** A new array in natural order; each name is taken apart only once. */
export function sortNaturally(names: Iterable<string>): string[] {
  return [...names]
    .map((name) => ({ name, key: tokens(name) }))
    .sort((a, b) => compareTokens(a.key, b.key) || compareTexts(a.name, b.name))
    .map(({ name }) => name);
}
