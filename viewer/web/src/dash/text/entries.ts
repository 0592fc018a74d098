/** Where torch and its kin put a text: behind the name that it was given. */
const SUFFIX = "/text_summary";

/** A series that a card shows. */
export interface Entry {
  plugin: string;
  run: string;
  tag: string;
}

type Tags = ReadonlyMap<string, readonly string[]>;

/**
 * The cards and what each shows, of the runs that `wanted` takes. A figure is logged together with a text for viewers that show
 * no figures: that text has no card.
 */
export function cardsOf(texts: Tags, figures: ReadonlyMap<string, Tags>, wanted: (run: string) => boolean): Map<string, Entry[]> {
  const cards = new Map<string, Entry[]>();
  const add = (plugin: string, tag: string, runs: readonly string[]): void => {
    const entries = runs.filter(wanted).map((run) => ({ plugin, run, tag }));
    if (entries.length > 0) cards.set(tag, [...(cards.get(tag) ?? []), ...entries]);
  };
  for (const [plugin, tags] of figures) for (const [tag, runs] of tags) add(plugin, tag, runs);
  for (const [tag, runs] of texts) {
    const about = figureOf(tag, figures);
    add("text", tag, about.size > 0 ? runs.filter((run) => !about.has(run)) : runs);
  }
  return cards;
}

/** The runs in which a text only says what a figure shows. */
function figureOf(tag: string, figures: ReadonlyMap<string, Tags>): Set<string> {
  const found = new Set<string>();
  if (!tag.endsWith(SUFFIX)) return found;
  const name = tag.slice(0, -SUFFIX.length);
  for (const tags of figures.values()) for (const run of tags.get(name) ?? []) found.add(run);
  return found;
}

/** What people call a tag. */
export function nameOf(tag: string): string {
  return tag.endsWith(SUFFIX) && tag !== SUFFIX ? tag.slice(0, -SUFFIX.length) : tag;
}

/** The card that shows a text's tag: its own, or that of the figure it tells of. */
export function cardOf(cards: ReadonlyMap<string, readonly Entry[]>, tag: string, run: string): string {
  if (cards.get(tag)?.some((entry) => entry.run === run)) return tag;
  return nameOf(tag);
}
