import { naturally, sortNaturally } from "../data/order";

export interface Group {
  /** What the address calls it when it is folded. */
  name: string;
  title: string;
  tags: string[];
  /** Whether it is folded until somebody unfolds it. */
  closed?: boolean;
}

/** Tags by their first parts up to a slash, by all but the last part, by the last part, or all together. */
export const GROUPINGS = ["first", "second", "folder", "last", "none"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Where tags without a slash stand together, unless a group bears the very name of one. */
export const TOP_LEVEL = "";

const DEPTH: Record<Grouping, number> = { first: 1, second: 2, folder: Infinity, last: 0, none: 0 };

/** Where the part that names a tag's group ends: behind `depth` parts, and never behind the last. */
function endOfGroup(tag: string, depth: number): number {
  let end = -1;
  // A leading slash names nothing: the group is then found behind it.
  for (let at = tag.indexOf("/", 1), parts = 0; at >= 0 && parts < depth; at = tag.indexOf("/", at + 1), parts++) end = at;
  return end;
}

function lastPart(tag: string): string {
  return tag.slice(tag.lastIndexOf("/", tag.length - 2) + 1);
}

function put(groups: Map<string, string[]>, name: string, tag: string): void {
  const members = groups.get(name);
  if (members) members.push(tag);
  else groups.set(name, [tag]);
}

function byStart(tags: Iterable<string>, depth: number): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  const bare: string[] = [];
  for (const tag of tags) {
    const end = endOfGroup(tag, depth);
    if (end < 0) bare.push(tag);
    else put(groups, tag.slice(0, end), tag);
  }
  for (const tag of bare) put(groups, groups.has(tag) ? tag : TOP_LEVEL, tag);
  return groups;
}

function byEnd(tags: Iterable<string>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const tag of tags) put(groups, lastPart(tag), tag);
  for (const [name, members] of [...groups]) {
    if (members.length > 1) continue;
    groups.delete(name);
    put(groups, TOP_LEVEL, members[0]);
  }
  return groups;
}

/**
 * Tags in groups, in natural order. By start: a tag without a slash joins the group of its own
 * name where there is one; the others form one group, which comes first: a group for each would
 * give every lone curve a row of its own. By end, the same holds for a last part that one tag alone has.
 */
export function groupTags(tags: Iterable<string>, by: Grouping = "first"): Group[] {
  if (by === "none") {
    const all = sortNaturally(tags);
    return all.length > 0 ? [{ name: TOP_LEVEL, title: "all", tags: all }] : [];
  }
  const groups = by === "last" ? byEnd(tags) : byStart(tags, DEPTH[by]);
  const rest = by === "last" ? "others" : "top level";
  return [...groups]
    .map(([name, members]) => ({ name, title: name === TOP_LEVEL ? rest : name, tags: sortNaturally(members) }))
    .sort((a, b) => naturally(a.name, b.name));
}

/** A tag in three: what its group's heading says already, before and behind the part that is its own. */
export function titleIn(group: string, by: Grouping, tag: string): [before: string, own: string, behind: string] {
  if (by === "none" || group === TOP_LEVEL) return ["", tag, ""];
  if (by === "last") {
    const cut = tag.endsWith(`/${group}`) ? tag.length - group.length - 1 : tag.length;
    return ["", tag.slice(0, cut), tag.slice(cut)];
  }
  return tag.startsWith(`${group}/`) ? [tag.slice(0, group.length + 1), tag.slice(group.length + 1), ""] : ["", tag, ""];
}
