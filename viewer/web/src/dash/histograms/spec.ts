/** Which cards there are: one for each tag, or one for each run of a tag. */
import { titleIn, type Group, type Grouping } from "../../cards/groups";

export interface Spec {
  id: string;
  tag: string;
  runs: readonly string[];
  name: string;
  title: [string, string, string];
}

/** What a card of one run is called; no tag holds this sign. */
const SIGN = "\u0001";

export function idOf(tag: string, run: string): string {
  return `${tag}${SIGN}${run}`;
}

/** Tag and run of a card's name; the run is null where the card is the tag's own. */
export function partsOf(id: string): [tag: string, run: string | null] {
  const at = id.indexOf(SIGN);
  return at < 0 ? [id, null] : [id.slice(0, at), id.slice(at + 1)];
}

/** Groups of tags as groups of cards. */
export function split(groups: readonly Group[], drawn: ReadonlyMap<string, readonly string[]>): Group[] {
  return groups.map((group) => ({ ...group, tags: group.tags.flatMap((tag) => (drawn.get(tag) ?? []).map((run) => idOf(tag, run))) }));
}

export function specOf(id: string, group: string, grouping: Grouping, drawn: ReadonlyMap<string, readonly string[]>): Spec {
  const [tag, run] = partsOf(id);
  const [before, own, behind] = titleIn(group, grouping, tag);
  const runs = drawn.get(tag) ?? [];
  if (run === null) return { id, tag, runs, name: tag, title: [before, own, behind] };
  return { id, tag, runs: runs.includes(run) ? [run] : [], name: `${tag}, ${run}`, title: [before, own, `${behind} · ${run}`] };
}
