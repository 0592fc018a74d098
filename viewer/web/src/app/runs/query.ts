/**
 * The query language for runs: `hp.lr < 1e-3 and last("val/loss") < 0.2`. Read by a parser and walked, never handed
 * to the browser as code. What a run does not have is missing: any comparison with it is false.
 */
import type { Hparam } from "../../data/facts";
import type { Figures } from "../../data/metrics";
import { naturally } from "../../data/order";
import { parse, type Comparison, type Expression, type Field, type Measure } from "./grammar";
import type { Subject } from "./subject";

export { QueryError } from "./tokens";

type Value = Hparam | undefined;

export interface Query {
  test: (subject: Subject) => boolean;
  /** The tags whose figures it asks for. */
  tags: readonly string[];
}

/** @throws QueryError with the place and what was expected there. */
export function compileQuery(text: string): Query {
  const root = parse(text);
  return { test: (subject) => isTrue(valueOf(root, subject)), tags: [...new Set(tagsOf(root))] };
}

const FIGURES: Record<Measure, keyof Figures> = {
  last: "last",
  first: "first",
  min: "min",
  max: "max",
  count: "n",
  step: "lastStep",
  min_step: "minStep",
  max_step: "maxStep",
};

function fieldOf(field: Field, subject: Subject): Value {
  switch (field) {
    case "duration":
      return subject.started === undefined || subject.ended === undefined ? undefined : subject.ended - subject.started;
    case "last_step":
      return subject.lastStep;
    case "now":
      return Date.now() / 1_000;
    default:
      return subject[field];
  }
}

function valueOf(node: Expression, subject: Subject): Value {
  switch (node.kind) {
    case "literal":
      return node.value;
    case "hparam": {
      const name = node.names.find((one) => Object.hasOwn(subject.hparams, one));
      return name === undefined ? undefined : subject.hparams[name];
    }
    case "field":
      return fieldOf(node.field, subject);
    case "measure":
      return subject.figures(node.tag)?.[FIGURES[node.measure]] ?? undefined;
    case "has":
      return valueOf(node.of, subject) !== undefined;
    case "label":
      return subject.labels.includes(node.label);
    case "sum":
      return calculated(node.sign, valueOf(node.left, subject), valueOf(node.right, subject));
    case "negative":
      return calculated("-", 0, valueOf(node.of, subject));
    case "compare":
      return compared(node.sign, valueOf(node.left, subject), valueOf(node.right, subject));
    case "match": {
      const value = valueOf(node.of, subject);
      return value !== undefined && node.pattern.test(String(value));
    }
    case "in": {
      const item = valueOf(node.item, subject);
      return node.list.some((other) => compared("==", item, valueOf(other, subject)));
    }
    case "not":
      return !isTrue(valueOf(node.of, subject));
    case "both":
      return node.all.every((one) => isTrue(valueOf(one, subject)));
    case "either":
      return node.any.some((one) => isTrue(valueOf(one, subject)));
    default:
      return undefined;
  }
}

/** Writers without booleans keep them as 0 and 1. */
function isTrue(value: Value): boolean {
  return value === true || (typeof value === "number" && value !== 0 && !Number.isNaN(value));
}

function numberOf(value: Hparam): number | null {
  return typeof value === "string" ? null : Number(value);
}

function calculated(sign: "+" | "-" | "*" | "/", left: Value, right: Value): Value {
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  if (sign === "+") return left + right;
  if (sign === "-") return left - right;
  return sign === "*" ? left * right : left / right;
}

function compared(sign: Comparison, left: Value, right: Value): boolean {
  if (left === undefined || right === undefined) return false;
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a === null && b === null) return ordered(sign, left === right ? 0 : naturally(String(left), String(right)));
  // A text and a number are never equal, and neither comes first.
  if (a === null || b === null) return sign === "!=";
  if (Number.isNaN(a) || Number.isNaN(b)) return sign === "!=";
  return ordered(sign, a === b ? 0 : a < b ? -1 : 1);
}

function ordered(sign: Comparison, order: number): boolean {
  switch (sign) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
  }
}

function tagsOf(node: Expression): string[] {
  switch (node.kind) {
    case "measure":
      return [node.tag];
    case "has":
    case "negative":
    case "not":
    case "match":
      return tagsOf(node.of);
    case "sum":
    case "compare":
      return [...tagsOf(node.left), ...tagsOf(node.right)];
    case "in":
      return [node.item, ...node.list].flatMap(tagsOf);
    case "both":
      return node.all.flatMap(tagsOf);
    case "either":
      return node.any.flatMap(tagsOf);
    default:
      return [];
  }
}
