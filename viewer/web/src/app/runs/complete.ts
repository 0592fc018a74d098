import { FIELDS, MEASURES, STATUSES } from "./grammar";

/** What can be named in a query. */
export interface Vocabulary {
  hparams: readonly string[];
  tags: readonly string[];
  labels: readonly string[];
  /** The values that a hyperparameter has. */
  valuesOf: (hparam: string) => readonly (string | number | boolean)[];
}

export interface Completions {
  /** The part of the text that a choice takes the place of. */
  from: number;
  to: number;
  options: readonly { label: string; insert: string; hint: string }[];
}

const MOST = 12;

function quote(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}

function hparamText(name: string): string {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? `hp.${name}` : `hp[${quote(name)}]`;
}

/** What begins like it first, then what holds it. */
function ranked<T extends { label: string }>(options: readonly T[], typed: string): T[] {
  const wanted = typed.toLowerCase();
  const rank = ({ label }: T): number => (label.toLowerCase().startsWith(wanted) ? 0 : label.toLowerCase().includes(wanted) ? 1 : 2);
  return options
    .map((option) => ({ option, rank: rank(option) }))
    .filter((entry) => entry.rank < 2)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MOST)
    .map(({ option }) => option);
}

/** What may stand where the caret is. */
export function complete(text: string, caret: number, words: Vocabulary): Completions {
  const before = text.slice(0, caret);
  const call = /\b(\w+)\s*\(\s*["']?([^"'()]*)$/.exec(before);
  const named = (found: string): { from: number; to: number } => ({ from: caret - found.length, to: caret });
  if (call && ((MEASURES as readonly string[]).includes(call[1]) || call[1] === "tag")) {
    const open = /\(\s*["']?([^"'()]*)$/.exec(before)?.[0] ?? "";
    const names = call[1] === "tag" ? words.labels : words.tags;
    const after = /^["']?\s*\)?/.exec(text.slice(caret))?.[0].length ?? 0;
    const options = names.map((name) => ({ label: name, insert: `(${quote(name)})`, hint: call[1] === "tag" ? "label" : "tag" }));
    return { from: caret - open.length, to: caret + after, options: ranked(options, call[2]) };
  }
  const hparam = /hp\s*(?:\.\s*([\w.]*)|\[\s*["']?([^"'\]]*))$/.exec(before);
  if (hparam) {
    const options = words.hparams.map((name) => ({ label: name, insert: hparamText(name), hint: "hyperparameter" }));
    return { ...named(hparam[0]), options: ranked(options, hparam[1] ?? hparam[2] ?? "") };
  }
  const compared = /(?:hp\.(\w+)|hp\[["']([^"']*)["']\]|(status))\s*(?:==|!=|in\s*\[(?:[^\]]*,)?)\s*(["']?[^"',\s]*)$/.exec(before);
  if (compared) {
    const [, dotted, bracketed, status, typed] = compared;
    const values = status ? STATUSES : words.valuesOf(dotted ?? bracketed);
    const options = values.map((value) => ({ label: String(value), insert: typeof value === "string" ? quote(value) : String(value), hint: "value" }));
    return { ...named(typed), options: ranked(options, typed.replace(/^["']/, "")) };
  }
  const word = /[\p{L}_][\p{L}\p{N}_]*$/u.exec(before)?.[0] ?? "";
  const names = [
    ...words.hparams.map((name) => ({ label: `hp.${name}`, insert: hparamText(name), hint: "hyperparameter" })),
    ...MEASURES.map((name) => ({ label: `${name}(…)`, insert: `${name}(`, hint: "of a tag" })),
    ...FIELDS.map((name) => ({ label: name, insert: name, hint: "of the run" })),
    { label: "has(…)", insert: "has(", hint: "whether it is there" },
    { label: "tag(…)", insert: 'tag("', hint: "whether it has this label" },
  ];
  // Behind a whole expression only a word that joins fits.
  if (word === "" && /[\w"')\]]\s+$/.test(before) && !/(?:\b(?:and|or|not|in)|[<>=~,([+*/-])\s*$/.test(before)) {
    return { ...named(""), options: ["and", "or"].map((label) => ({ label, insert: `${label} `, hint: "" })) };
  }
  return word === "" ? { ...named(""), options: names.slice(0, MOST) } : { ...named(word), options: ranked(names, word) };
}
