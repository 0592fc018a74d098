/** How well a text answers what was typed: the more of it stands together and at the starts of words, the better. */
const TOGETHER = 8;
const WORD_START = 10;
const TEXT_START = 6;
const GAP = 0.2;

/** Null when the letters do not stand in the text in their order. Both are given in small letters. */
export function score(typed: string, text: string): number | null {
  if (typed === "") return 0;
  const whole = text.indexOf(typed);
  if (whole >= 0) return 100 + typed.length * TOGETHER + (isStart(text, whole) ? WORD_START : 0) + (whole === 0 ? TEXT_START : 0) - text.length * GAP;
  let sum = 0;
  let last = -1;
  for (const letter of typed) {
    let at = text.indexOf(letter, last + 1);
    if (at < 0) return null;
    // The start of a word is the better place, if one comes.
    if (at !== last + 1 && !isStart(text, at)) {
      for (let next = text.indexOf(letter, at + 1); next >= 0; next = text.indexOf(letter, next + 1)) {
        if (!isStart(text, next)) continue;
        at = next;
        break;
      }
      // Further on the rest may not be there: then the first place has to do.
    }
    if (at === last + 1) sum += TOGETHER;
    if (isStart(text, at)) sum += WORD_START;
    sum -= (at - last - 1) * GAP;
    last = at;
  }
  return sum - text.length * GAP;
}

function isStart(text: string, at: number): boolean {
  return at === 0 || /[\s/_.:=-]/.test(text[at - 1]);
}

/** The best of these, best first: all words that are typed have to be in them, in any order. Equally good ones stay as they are. */
export function best<T extends { text: string }>(typed: string, items: readonly T[], most: number): T[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items.slice(0, most);
  const found: { item: T; points: number; at: number }[] = [];
  items.forEach((item, at) => {
    let points = 0;
    for (const word of words) {
      const more = score(word, item.text);
      if (more === null) return;
      points += more;
    }
    found.push({ item, points, at });
  });
  return found
    .sort((a, b) => b.points - a.points || a.at - b.at)
    .slice(0, most)
    .map(({ item }) => item);
}
