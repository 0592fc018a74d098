import { beforeAll, describe, expect, test } from "vitest";
import { fetchMachine } from "../src/app/runs/machines.svelte";
import { Pattern } from "../src/app/runs/regex";

beforeAll(fetchMachine);

/** The same pattern by the machine that never backtracks, whatever the effort: long names go to it. */
function byMachine(pattern: string, text: string): { group: string | null } | null {
  // A look-alike of the pattern that is known to explode, and never matches by itself.
  return new Pattern(`${pattern}|(?:\u0000\u0000+)+`).find(text);
}

describe("a typed regex", () => {
  const patterns = [
    "a", "ab|a", "a*", "a+?b", "^a", "b$", "^$", "\\bb", "\\Bb", "[ab]{2}", "[^a]", "a{2,3}", "a{2,}", "a{0,1}c", "(a|b)*c", "(?:ab)+",
    "(a*)*b", "(a|ab)(c|bcd)", "x{,2}", ".", "\\d+", "\\w-\\d", "[\\w/]+$", "(?<n>a)b", "\\x41", "\\u0062", "a\\|b", "A", "(?:)", "()*a", "(a?){3}b",
    "[]a]", "[^]", "lr=(\\d+)", "(lr|wd)=", "}", "\\/", "(a+)+$", "(?:a|b(?:c|a))+c",
  ];
  const texts = ["", "a", "b", "ab", "aab", "abc", "ba", "cab", "aaab", "abcd", "a|b", "A/b-1", "lr=10/wd=3", "b c", "x{,2}", "a\nb", "}", "]", "acac"];

  test.each(patterns)("%s finds what the browser's engine finds, group and all", (pattern) => {
    for (const text of texts) {
      const native = new RegExp(pattern, "i").exec(text);
      const wanted = native && { group: native[1] ?? null };
      expect(new Pattern(pattern).find(text), text).toEqual(wanted);
      expect(byMachine(pattern, text), `${text} by the machine`).toEqual(wanted);
    }
  });

  test("agrees with the browser's engine on thousands of random patterns", () => {
    let seed = 7;
    const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const pick = (from: string[]): string => from[random(from.length)];
    const make = (depth: number): string => {
      const kind = depth === 0 ? 0 : random(5);
      if (kind === 0) return pick(["a", "b", "c", ".", "[ab]", "[^a]", "^", "$", "\\b", "\\w"]);
      if (kind === 1) return make(depth - 1) + make(depth - 1);
      if (kind === 2) return `(?:${make(depth - 1)}|${make(depth - 1)})`;
      if (kind === 3) return `(?:${make(depth - 1)})${pick(["*", "+", "?", "{1,2}", "*?", "+?"])}`;
      return make(depth - 1) + pick(["a", "b"]);
    };
    for (let i = 0; i < 4_000; i++) {
      const pattern = make(3);
      const text = Array.from({ length: random(7) }, () => pick(["a", "b", "c"])).join("");
      const wanted = new RegExp(pattern, "i").test(text);
      expect([pattern, text, byMachine(pattern, text) !== null]).toEqual([pattern, text, wanted]);
      expect([pattern, text, new Pattern(`${pattern}|(?:\u0000\u0000+)+`).test(text)]).toEqual([pattern, text, wanted]);
    }
  });

  test.each(["(a+)+b", "(a|a)*b", "(a|aa)+$", "([a-z]+)*!", "(.*)*(.*)*x", "a*a*a*a*a*a*b", "(?:a?){40}a{40}b", "(a?|b){30}!"])(
    "%s, which would take the browser's engine years, is answered at once",
    (pattern) => {
      const start = performance.now();
      expect(new Pattern(pattern).test("a".repeat(2_000))).toBe(pattern === "(a|aa)+$");
      expect(performance.now() - start).toBeLessThan(5_000);
    },
  );

  test.each([
    ["(a", "Unterminated group"],
    ["(?=(a+)+b)", "Could take forever: look-around or a back-reference beside something that repeats in several ways"],
    ["(a+)\\1", "Could take forever: look-around or a back-reference beside something that repeats in several ways"],
    ["((a{99}){99}){99}", "Too many repetitions"],
    ["(((){999}){999}){999}", "Too many repetitions"],
    ["a".repeat(5_000), "Longer than 4,000 letters"],
  ])("%s is refused with its reason", (pattern, reason) => {
    expect(() => new Pattern(pattern)).toThrow(new SyntaxError(reason));
  });

  test("keeps look-around that cannot explode", () => {
    expect(new Pattern("^(?!.*debug)").test("train/1")).toBe(true);
    expect(new Pattern("^(?!.*debug)").test("train/debug")).toBe(false);
  });
});
