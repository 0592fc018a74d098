import { Pattern } from "./regex";

/** What a name must match, and what it must not. */
export interface Parts {
  all: readonly Pattern[];
  none: readonly Pattern[];
}

/**
 * Reads `train & lr=0.1 !debug !seed3`: parts stand between " & " or before a "!", which excludes. A "!" within a
 * name is written "\!".
 *
 * @throws SyntaxError with the reason, and the part at fault where there are several.
 */
export function readParts(text: string): Parts {
  const all: Pattern[] = [];
  const none: Pattern[] = [];
  const parts = text.split(/\s+&\s+|\s+(?=!)/);
  for (const part of parts) {
    const excludes = part.startsWith("!");
    const source = excludes ? part.slice(1) : part;
    // Somebody is about to type what to exclude.
    if (source === "") continue;
    (excludes ? none : all).push(patternOf(source, parts.length > 1));
  }
  return { all, none };
}

function patternOf(source: string, named: boolean): Pattern {
  try {
    return new Pattern(source);
  } catch (error) {
    if (!named || !(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${error.message}, in ${source}`, { cause: error });
  }
}

export function fits({ all, none }: Parts, name: string): boolean {
  return all.every((pattern) => pattern.test(name)) && !none.some((pattern) => pattern.test(name));
}
