const LONGEST_TAIL = 22;
const TAIL = 14;

/**
 * Splits a run's name so that the front can be shortened and the end stays whole: what tells
 * runs apart usually stands in the last part of the path.
 */
export function splitName(name: string): [head: string, tail: string] {
  const slash = name.lastIndexOf("/");
  const last = name.length - slash;
  if (slash > 0 && last <= LONGEST_TAIL) return [name.slice(0, slash), name.slice(slash)];
  if (name.length <= LONGEST_TAIL) return [name, ""];
  return [name.slice(0, -TAIL), name.slice(-TAIL)];
}
