/**
 * A set of many names, as short as an address can hold it: of each name only a number of 36 bits is kept. Two
 * names share one so rarely (once in 70,000,000,000) that among thousands of runs no wrong one is ever ticked.
 *
 * The text is the sorted numbers' differences in Golomb-Rice code, six bits a letter: about four letters a name.
 */
const BITS = 36;
const SPACE = 2 ** BITS;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** A difference so large that its front part has more ones than this is no work of ours. */
const MOST_ONES = 4_096;

/** The number of a name: two lanes of multiply and rotate over its characters, then mixed once more. */
export function markOf(name: string): number {
  let one = 0x9e3779b1;
  let other = 0x85ebca77;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    one = Math.imul(one ^ unit, 0xc2b2ae3d);
    one = (one << 13) | (one >>> 19);
    other = Math.imul(other ^ unit, 0x27d4eb2f);
    other = (other << 17) | (other >>> 15);
  }
  one = Math.imul(one ^ (one >>> 15) ^ other, 0x2c1b3c6d);
  other = Math.imul(other ^ (other >>> 13) ^ one, 0x297a2d39);
  return ((one ^ (one >>> 16)) >>> 0) + ((other >>> 11) & 15) * 2 ** 32;
}

export class Marks {
  readonly #marks: ReadonlySet<number>;

  constructor(marks: ReadonlySet<number>) {
    this.#marks = marks;
  }

  static of(names: Iterable<string>): Marks {
    const marks = new Set<number>();
    for (const name of names) marks.add(markOf(name));
    return new Marks(marks);
  }

  /** Reads what `text` wrote; null when it is nothing of the kind. */
  static read(text: string): Marks | null {
    const bits = new Reader(text.slice(1));
    const low = LETTERS.indexOf(text.charAt(0));
    if (low < 0 || low > BITS) return null;
    const marks = new Set<number>();
    let last = -1;
    for (;;) {
      const ones = bits.ones();
      const rest = bits.number(low);
      if (ones === null || rest === null) return marks.size > 0 && bits.sound ? new Marks(marks) : null;
      last += ones * 2 ** low + rest + 1;
      if (last >= SPACE) return null;
      marks.add(last);
    }
  }

  get size(): number {
    return this.#marks.size;
  }

  has(name: string): boolean {
    return this.#marks.has(markOf(name));
  }

  /** The same with these names in it, or without them. */
  changed(names: Iterable<string>, added: boolean): Marks {
    const marks = new Set(this.#marks);
    for (const name of names) {
      if (added) marks.add(markOf(name));
      else marks.delete(markOf(name));
    }
    return new Marks(marks);
  }

  get text(): string {
    const sorted = Float64Array.from(this.#marks).sort();
    const low = Math.max(0, Math.floor(Math.log2((SPACE / Math.max(1, sorted.length)) * Math.LN2)));
    const bits = new Writer();
    let last = -1;
    for (const mark of sorted) {
      const gap = mark - last - 1;
      for (let ones = Math.floor(gap / 2 ** low); ones > 0; ones--) bits.add(1);
      bits.add(0);
      for (let bit = low - 1; bit >= 0; bit--) bits.add(Math.floor(gap / 2 ** bit) % 2);
      last = mark;
    }
    return LETTERS[low] + bits.end();
  }
}

class Writer {
  #letters: string[] = [];
  #held = 0;
  #count = 0;

  add(bit: number): void {
    this.#held = this.#held * 2 + bit;
    if (++this.#count < 6) return;
    this.#letters.push(LETTERS[this.#held]);
    this.#held = this.#count = 0;
  }

  /** Filled up with ones, which begin a number that never ends and so are no number. */
  end(): string {
    while (this.#count > 0) this.add(1);
    return this.#letters.join("");
  }
}

class Reader {
  sound = true;
  #at = 0;

  constructor(readonly text: string) {}

  #bit(): number | null {
    const letter = this.text.charAt(Math.floor(this.#at / 6));
    if (!letter) return null;
    const value = LETTERS.indexOf(letter);
    if (value < 0) {
      this.sound = false;
      return null;
    }
    return (value >> (5 - (this.#at++ % 6))) & 1;
  }

  /** How many ones stand before the next zero; null when none follows. */
  ones(): number | null {
    for (let count = 0; count < MOST_ONES; count++) {
      const bit = this.#bit();
      if (bit === null) return null;
      if (bit === 0) return count;
    }
    this.sound = false;
    return null;
  }

  number(bits: number): number | null {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit();
      if (bit === null) return null;
      value = value * 2 + bit;
    }
    return value;
  }
}
