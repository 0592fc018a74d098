/** A query that cannot be read: where, counted from 0, and why. */
export class QueryError extends SyntaxError {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

export interface Token {
  kind: "number" | "text" | "name" | "sign" | "end";
  /** Of a text, what stands between its quotes; of a number with a unit, its digits. */
  text: string;
  /** Of numbers: in seconds where there is a unit of time. */
  value: number;
  at: number;
}

const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/iy;
const NAME = /[\p{L}_][\p{L}\p{N}_]*/uy;
const SIGN = /<=|>=|==|!=|!~|[<>~()[\],.+\-*/]/y;
const SPACE = /\s+/y;

/** Seconds. */
const UNITS: Partial<Record<string, number>> = { s: 1, min: 60, h: 3_600, d: 86_400, w: 604_800 };

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

function quoted(text: string, at: number): { inner: string; end: number } {
  let inner = "";
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === text[at]) return { inner, end: i + 1 };
    // Only what would end the text needs a backslash: those of a regex stay.
    if (text[i] === "\\" && (text[i + 1] === text[at] || text[i + 1] === "\\")) inner += text[++i] === "\\" ? "\\\\" : text[i];
    else inner += text[i];
  }
  throw new QueryError(`this text has no closing ${text[at]}`, at);
}

/** Takes a query apart; the last token is the end. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const space = match(SPACE, text, at).length;
    at += space;
    if (at >= text.length) break;
    if (text[at] === '"' || text[at] === "'") {
      const { inner, end } = quoted(text, at);
      tokens.push({ kind: "text", text: inner, value: NaN, at });
      at = end;
      continue;
    }
    const number = match(NUMBER, text, at);
    const name = number ? "" : match(NAME, text, at);
    const found = number || name || match(SIGN, text, at);
    if (!found) throw new QueryError(unknownSign(text, at), at);
    if (number) {
      const unit = match(NAME, text, at + number.length);
      const seconds = unit ? UNITS[unit] : 1;
      if (seconds === undefined) throw new QueryError(`${number} cannot be followed by ${unit}; units of time are ${Object.keys(UNITS).join(", ")}`, at + number.length);
      tokens.push({ kind: "number", text: number, value: Number(number) * seconds, at });
      at += number.length + unit.length;
    } else {
      tokens.push({ kind: name ? "name" : "sign", text: found, value: NaN, at });
      at += found.length;
    }
  }
  tokens.push({ kind: "end", text: "", value: NaN, at: text.length });
  return tokens;
}

function unknownSign(text: string, at: number): string {
  const pair = text.slice(at, at + 2);
  if (text[at] === "=") return "equality is written ==";
  if (pair === "&&") return "written and";
  if (pair === "||") return "written or";
  if (text[at] === "!") return "written not, != or !~";
  return `${[...text.slice(at)][0]} means nothing here`;
}
