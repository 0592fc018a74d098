import { Pattern } from "./regex";
import { QueryError, tokensOf, type Token } from "./tokens";

/** Of a tag in a run. */
export const MEASURES = ["last", "first", "min", "max", "count", "step", "min_step", "max_step"] as const;
export type Measure = (typeof MEASURES)[number];

/** Of a run. */
export const FIELDS = ["run", "status", "started", "ended", "duration", "last_step", "title", "note", "path", "now"] as const;
export type Field = (typeof FIELDS)[number];

export const STATUSES = ["running", "finished", "stalled", "failed"] as const;

export type Comparison = "<" | "<=" | ">" | ">=" | "==" | "!=";

export type Expression =
  | { kind: "literal"; value: number | string | boolean; at: number }
  | { kind: "hparam"; names: readonly string[]; at: number }
  | { kind: "field"; field: Field; at: number }
  | { kind: "measure"; measure: Measure; tag: string; at: number }
  | { kind: "has"; of: Expression; at: number }
  | { kind: "label"; label: string; at: number }
  | { kind: "sum"; sign: "+" | "-" | "*" | "/"; left: Expression; right: Expression; at: number }
  | { kind: "negative"; of: Expression; at: number }
  | { kind: "compare"; sign: Comparison; left: Expression; right: Expression; at: number }
  | { kind: "match"; pattern: Pattern; of: Expression; at: number }
  | { kind: "in"; item: Expression; list: readonly Expression[]; at: number }
  | { kind: "not"; of: Expression; at: number }
  | { kind: "both"; all: readonly Expression[]; at: number }
  | { kind: "either"; any: readonly Expression[]; at: number };

const COMPARISONS: readonly string[] = ["<", "<=", ">", ">=", "==", "!="];
const DEEPEST = 60;

/** Lowest to highest: or, and, not, comparisons (which may be chained), + and -, * and /, a leading -. */
class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  parse(): Expression {
    const whole = this.#either();
    if (this.#peek.kind !== "end") throw this.#unexpected("and, or, a comparison or the end");
    return whole;
  }

  get #peek(): Token {
    return this.#tokens[this.#next];
  }

  #take(): Token {
    return this.#tokens[this.#next++];
  }

  #is(text: string): boolean {
    const { kind, text: found } = this.#peek;
    return (kind === "sign" || kind === "name") && found === text;
  }

  #accept(text: string): boolean {
    const is = this.#is(text);
    if (is) this.#next++;
    return is;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw this.#unexpected(text);
  }

  #unexpected(wanted: string): QueryError {
    const { kind, text, at } = this.#peek;
    const found = kind === "end" ? "the query ends" : kind === "text" ? `"${text}" stands` : `${text} stands`;
    return new QueryError(`${found} where ${wanted} was expected`, at);
  }

  /** Bounds how deep expressions stand in one another, for the stack's sake. */
  #within(parse: () => Expression): Expression {
    if (++this.#depth > DEEPEST) throw new QueryError(`nested more than ${DEEPEST} deep`, this.#peek.at);
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  #either(): Expression {
    const { at } = this.#peek;
    const any = [this.#both()];
    while (this.#accept("or")) any.push(this.#both());
    return any.length === 1 ? any[0] : { kind: "either", any, at };
  }

  #both(): Expression {
    const { at } = this.#peek;
    const all = [this.#not()];
    while (this.#accept("and")) all.push(this.#not());
    return all.length === 1 ? all[0] : { kind: "both", all, at };
  }

  #not(): Expression {
    const { at } = this.#peek;
    if (!this.#accept("not")) return this.#comparison();
    return { kind: "not", of: this.#within(() => this.#not()), at };
  }

  #comparison(): Expression {
    let left = this.#sum();
    const found: Expression[] = [];
    while (this.#peek.kind === "sign" || this.#is("in") || this.#is("not")) {
      const { text: sign, at } = this.#peek;
      if (COMPARISONS.includes(sign)) {
        this.#next++;
        const right = this.#sum();
        found.push({ kind: "compare", sign: sign as Comparison, left: matched(left, right), right: matched(right, left), at });
        left = right;
      } else if (sign === "~" || sign === "!~") {
        this.#next++;
        const matched: Expression = { kind: "match", pattern: this.#pattern(), of: left, at };
        found.push(sign === "~" ? matched : { kind: "not", of: matched, at });
      } else if (sign === "in" || sign === "not") {
        this.#next++;
        if (sign === "not") this.#expect("in");
        const within: Expression = { kind: "in", item: left, list: this.#list(), at };
        found.push(sign === "in" ? within : { kind: "not", of: within, at });
      } else break;
    }
    if (found.length === 0) return left;
    return found.length === 1 ? found[0] : { kind: "both", all: found, at: found[0].at };
  }

  #pattern(): Pattern {
    const { kind, text, at } = this.#peek;
    if (kind !== "text") throw this.#unexpected("a regex in quotes");
    this.#next++;
    try {
      return new Pattern(text);
    } catch (error) {
      throw new QueryError(`this regex is broken: ${error instanceof Error ? error.message : String(error)}`, at);
    }
  }

  #list(): Expression[] {
    this.#expect("[");
    const items: Expression[] = [];
    while (!this.#is("]")) {
      items.push(this.#sum());
      if (!this.#accept(",")) break;
    }
    this.#expect("]");
    return items;
  }

  #sum(): Expression {
    let left = this.#product();
    for (let { text, at } = this.#peek; this.#is("+") || this.#is("-"); { text, at } = this.#peek) {
      this.#next++;
      left = { kind: "sum", sign: text as "+" | "-", left, right: this.#product(), at };
    }
    return left;
  }

  #product(): Expression {
    let left = this.#signed();
    for (let { text, at } = this.#peek; this.#is("*") || this.#is("/"); { text, at } = this.#peek) {
      this.#next++;
      left = { kind: "sum", sign: text as "*" | "/", left, right: this.#signed(), at };
    }
    return left;
  }

  #signed(): Expression {
    const { at } = this.#peek;
    if (!this.#accept("-")) return this.#primary();
    return { kind: "negative", of: this.#within(() => this.#signed()), at };
  }

  #primary(): Expression {
    const { kind, text, value, at } = this.#peek;
    if (this.#accept("(")) {
      const inner = this.#within(() => this.#either());
      this.#expect(")");
      return inner;
    }
    if (kind === "number" || kind === "text") {
      this.#next++;
      return { kind: "literal", value: kind === "number" ? value : text, at };
    }
    if (kind !== "name") throw this.#unexpected("a value");
    this.#next++;
    if (text === "true" || text === "false") return { kind: "literal", value: text === "true", at };
    if (text === "hp") return this.#hparam(at);
    if (this.#is("(")) return this.#call(text, at);
    const field = FIELDS.find((one) => one === text);
    if (field) return { kind: "field", field, at };
    throw new QueryError(unknownName(text), at);
  }

  #hparam(at: number): Expression {
    if (this.#accept("[")) {
      const { kind, text } = this.#peek;
      if (kind !== "text") throw this.#unexpected("a hyperparameter's name in quotes");
      this.#next++;
      this.#expect("]");
      return { kind: "hparam", names: [text], at };
    }
    const parts: string[] = [];
    while (this.#accept(".")) {
      if (this.#peek.kind !== "name") throw this.#unexpected("a hyperparameter's name");
      parts.push(this.#take().text);
    }
    if (parts.length === 0) throw this.#unexpected('. or [ and a hyperparameter\'s name, as in hp.lr or hp["batch size"],');
    // Frameworks write what stands in one another with a dot or a slash.
    return { kind: "hparam", names: [parts.join("."), parts.join("/")], at };
  }

  #call(name: string, at: number): Expression {
    const measure = MEASURES.find((one) => one === name);
    if (!measure && name !== "has" && name !== "tag") throw new QueryError(`there is no function ${name}; there are ${[...MEASURES, "has", "tag"].join(", ")}`, at);
    this.#expect("(");
    if (name === "has") {
      const of = this.#within(() => this.#sum());
      this.#expect(")");
      return { kind: "has", of, at };
    }
    const { kind, text } = this.#peek;
    if (kind !== "text") throw this.#unexpected(measure ? 'a tag in quotes, as in last("val/loss"),' : "a label in quotes");
    this.#next++;
    this.#expect(")");
    return measure ? { kind: "measure", measure, tag: text, at } : { kind: "label", label: text, at };
  }
}

function unknownName(name: string): string {
  if ((MEASURES as readonly string[]).includes(name) || name === "has" || name === "tag") return `${name} needs a name behind it, as in ${name}("loss")`;
  if (["and", "or", "not", "in"].includes(name)) return `${name} stands where a value was expected`;
  return `${name} is no name known here; a hyperparameter is written hp.${name}, a text "${name}"`;
}

/** Checks a text that is compared with a status, and makes one that is compared with a time seconds. */
function matched(one: Expression, other: Expression): Expression {
  if (one.kind !== "literal" || typeof one.value !== "string" || other.kind !== "field") return one;
  if (other.field === "status" && !(STATUSES as readonly string[]).includes(one.value)) {
    throw new QueryError(`no status is called "${one.value}"; there are ${STATUSES.join(", ")}`, one.at);
  }
  if (other.field !== "started" && other.field !== "ended") return one;
  const moment = Date.parse(/^\d{4}-\d\d-\d\d$/.test(one.value) ? `${one.value}T00:00` : one.value);
  if (Number.isNaN(moment)) throw new QueryError(`"${one.value}" is no time; one is written "2026-01-31" or "2026-01-31 18:30"`, one.at);
  return { ...one, value: moment / 1_000 };
}

/** @throws QueryError where the text is no query. */
export function parse(text: string): Expression {
  if (text.length > 10_000) throw new QueryError("longer than 10,000 letters", 10_000);
  return new Parser(text).parse();
}
