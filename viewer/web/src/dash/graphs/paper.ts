/** What a graph is drawn on, and the colours that it is drawn with. */
export interface Paper {
  bg: string;
  panel: string;
  raise: string;
  line: string;
  outline: string;
  ink: string;
  ink2: string;
  ink3: string;
  accent: string;
  dark: boolean;
}

export function paperOf(dark: boolean): Paper {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const [bg, panel, raise, line, outline, ink, ink2, ink3, accent] = ["bg", "panel", "raise", "edge", "outline", "ink", "ink2", "ink3", "accent"].map(token);
  return { bg, panel, raise, line, outline, ink, ink2, ink3, accent, dark };
}

const known = new Map<string, string>();

/** Red, green and blue of #rrggbb or #rgb. */
function parts(hex: string): number[] {
  const long = hex.length === 4 ? [1, 2, 3].map((at) => hex[at] + hex[at]) : [1, 3, 5].map((at) => hex.slice(at, at + 2));
  return long.map((part) => Number.parseInt(part, 16));
}

/** So much of the first colour in the second one. */
export function mixed(colour: string, into: string, share: number): string {
  const key = `${colour}${into}${share}`;
  let found = known.get(key);
  if (found === undefined) {
    const [a, b] = [colour, into].map(parts);
    found = `#${a.map((one, i) => Math.round(one * share + b[i] * (1 - share)).toString(16).padStart(2, "0")).join("")}`;
    if (known.size > 2_000) known.clear();
    known.set(key, found);
  }
  return found;
}
