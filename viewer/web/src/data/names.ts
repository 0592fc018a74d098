/** Shorter prefixes are not worth an ellipsis, and shorter names fit as they are. */
const LEAST_PREFIX = 12;
const SHORT_NAME = 30;

const TAIL_MOST = 13;
const TAIL_BLUNT = 14;

/**
 * How many characters at the front of all these names say nothing about any of them: their
 * common start up to a separator, or 0 where leaving it out would not help.
 */
export function sharedPrefix(names: readonly string[]): number {
  if (names.length < 2 || names.every((name) => name.length <= SHORT_NAME)) return 0;
  const first = names[0];
  let length = first.length;
  for (const name of names) {
    let i = 0;
    while (i < length && name[i] === first[i]) i++;
    length = i;
    if (length < LEAST_PREFIX) return 0;
  }
  const cut = first.slice(0, length).search(/[/\-_,][^/\-_,]*$/) + 1;
  return cut >= LEAST_PREFIX ? cut : 0;
}

/**
 * Splits a name so that its middle can be shortened: the end often tells runs apart as much
 * as the start does. The tail begins at a separator where there is one in reach.
 */
export function splitName(name: string): [head: string, tail: string] {
  if (name.length <= SHORT_NAME - 6) return [name, ""];
  const at = name.slice(-TAIL_MOST).search(/[/\-_,]/);
  const tail = at >= 0 ? name.slice(-TAIL_MOST).slice(at) : name.slice(-TAIL_BLUNT);
  return [name.slice(0, name.length - tail.length), tail];
}
