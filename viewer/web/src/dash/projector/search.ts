/** Rows that a text or a regex is found in; a long search yields to the page. */
import { compile } from "../../app/filter.svelte";
import type { Column } from "./fetch";

export type Test = (text: string) => boolean;

/** @returns what tells whether a text has it, or why there is no such thing. */
export function testOf(query: string, regex: boolean): { test: Test; error: null } | { test: null; error: string } {
  if (!regex) {
    const wanted = query.toLowerCase();
    return { test: (text) => text.toLowerCase().includes(wanted), error: null };
  }
  const { regex: pattern, error } = compile(query);
  return pattern ? { test: (text) => pattern.test(text), error: null } : { test: null, error };
}

/** Time that a search takes before the page gets a turn. */
const TURN_MS = 12;

/**
 * Searches row after row.
 *
 * @param tell called with what was found so far, and whether that is all.
 * @returns what stops it.
 */
export function search(columns: readonly Column[], rows: number, test: Test, tell: (found: number[], done: boolean) => void): () => void {
  let row = 0;
  let stopped = false;
  const found: number[] = [];
  // Values come again and again: each is looked at once.
  const known = columns.map(() => new Map<string, boolean>());
  const fits = (column: number, text: string): boolean => {
    const before = known[column].get(text);
    if (before !== undefined) return before;
    const now = test(text);
    known[column].set(text, now);
    return now;
  };
  const go = (): void => {
    if (stopped) return;
    const end = performance.now() + TURN_MS;
    for (; row < rows && performance.now() < end; row++) if (columns.some(({ values }, i) => fits(i, values[row]))) found.push(row);
    if (row < rows) setTimeout(go);
    tell(found.slice(), row >= rows);
  };
  go();
  return () => (stopped = true);
}
