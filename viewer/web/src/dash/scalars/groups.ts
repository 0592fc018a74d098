import { naturally, sortNaturally } from "../../data/order";

export interface Group {
  name: string;
  tags: string[];
}

/** Where tags without a slash stand together, unless a group bears the very name of one. */
export const TOP_LEVEL = "";

/**
 * Tags by the part before their first slash, in natural order. A tag without a slash joins
 * the group of its own name where there is one. The others form one group, which comes first:
 * a group for each would give every lone curve a row of its own.
 */
export function groupTags(tags: Iterable<string>): Group[] {
  const groups = new Map<string, string[]>();
  const bare: string[] = [];
  for (const tag of tags) {
    const slash = tag.indexOf("/");
    // A leading slash names nothing: the group is then found behind it.
    const end = slash === 0 ? tag.indexOf("/", 1) : slash;
    if (end < 0) {
      bare.push(tag);
      continue;
    }
    const name = tag.slice(0, end);
    const members = groups.get(name);
    if (members) members.push(tag);
    else groups.set(name, [tag]);
  }
  for (const tag of bare) {
    const name = groups.has(tag) ? tag : TOP_LEVEL;
    const members = groups.get(name);
    if (members) members.push(tag);
    else groups.set(name, [tag]);
  }
  return [...groups]
    .map(([name, members]) => ({ name, tags: sortNaturally(members) }))
    .sort((a, b) => naturally(a.name, b.name));
}
