import { describe, expect, test } from "vitest";
import { compileQuery, QueryError } from "../src/app/runs/query";
import type { Subject } from "../src/app/runs/subject";
import type { Figures } from "../src/data/metrics";

const LOSS: Figures = { n: 100, nonFinite: 0, first: 2.5, last: 0.15, min: 0.1, max: 3, minStep: 80, maxStep: 2, lastStep: 99 };

const RUN: Subject = {
  run: "adam/lr=0.01/seed10",
  status: "finished",
  started: Date.parse("2026-03-01T12:00") / 1_000,
  ended: Date.parse("2026-03-01T14:30") / 1_000,
  lastStep: 99,
  path: "/data/runs/adam",
  title: undefined,
  note: "the good one",
  labels: ["best", "paper 1"],
  hparams: { lr: 0.01, "batch size": 64, optimizer: "adam", amp: true, fp16: 1, layers: 12, "model/depth": 4, "a.b": 7, odd: "it's \"x\"", version: "v10", ["__proto__"]: 3 },
  figures: (tag) => (tag === "val/loss" ? LOSS : undefined),
};

const holds = (text: string): boolean => compileQuery(text).test(RUN);

describe("a query", () => {
  test.each([
    "hp.lr < 1e-1 and last(\"val/loss\") < 0.2",
    "hp.lr == .01",
    "hp.lr <= 0.01 and hp.lr >= 1e-2 and hp.lr != 1",
    "0.001 < hp.lr < 0.1",
    "1 > 0 > -1",
    'hp["batch size"] == 64',
    "hp['batch size'] in [32, 64]",
    "hp.optimizer == 'adam'",
    'hp.optimizer in ["sgd", "adam"]',
    'hp.optimizer not in ["sgd"]',
    'hp.optimizer ~ "^AD"',
    'hp.optimizer !~ "sgd"',
    "hp.amp",
    "hp.amp == true and hp.fp16 == true and hp.amp == 1",
    "not hp.missing",
    "hp.model.depth == 4",
    "hp.a.b == 7",
    'hp.odd == "it\'s \\"x\\""',
    'hp.version > "v9"',
    "hp.layers * 2 + 1 == 25 and 1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and -hp.layers < -11 and 10 - 4 - 3 == 3 and 8 / 4 / 2 == 1",
    'first("val/loss") - last("val/loss") > 2',
    'min("val/loss") == 0.1 and max("val/loss") == 3 and count("val/loss") == 100 and step("val/loss") == 99',
    'min_step("val/loss") == 80 and max_step("val/loss") == 2',
    'has(hp.lr) and has(last("val/loss")) and not has(hp.nope) and not has(title)',
    'tag("best") and tag("paper 1") and not tag("worst")',
    'run ~ "seed\\d+$" and run == "adam/lr=0.01/seed10"',
    'status == "finished" and status in ["finished", "failed"]',
    'started > "2026-03-01" and started < "2026-03-01 12:01" and ended < "2026-03-02"',
    "duration == 2.5h and duration == 150min and duration > 9000s - 1s and duration < 1d and duration < 1w",
    "now - started > 1d",
    "last_step == 99",
    'note ~ "good"',
    "true and not false",
    "false or true and true",
    "not false and true",
    "not (false or false)",
    "(((hp.lr))) < 1",
    "hp.lr<1 and(hp.lr>0)",
  ])("%s holds", (text) => {
    expect(holds(text)).toBe(true);
  });

  test.each([
    "hp.lr > 0.01",
    "hp.missing < 1",
    "hp.missing > 1",
    "hp.missing == 1",
    "hp.missing != 1",
    'hp.missing ~ ""',
    "hp.missing in [1]",
    "hp.missing == hp.missing",
    "hp.missing + 1 > 0",
    'last("no/such") < 1',
    'last("no/such") != 1',
    'hp.lr == "0.01"',
    'hp.optimizer < 5',
    "hp.optimizer",
    "hp.layers / 0 < 5",
    "0 / 0 == 0 / 0",
    "title == \"\"",
    "true and false or false",
    "hp.toString",
    "hp.constructor == 1",
    "0.1 < hp.lr < 1",
  ])("%s does not hold", (text) => {
    expect(holds(text)).toBe(false);
  });

  test("takes names that objects have by nature for what they are", () => {
    expect(holds("hp.__proto__ == 3")).toBe(true);
    expect(compileQuery("has(hp.__proto__)").test({ ...RUN, hparams: {} })).toBe(false);
  });

  test("takes a missing value for no time that has passed", () => {
    const young: Subject = { ...RUN, started: undefined, ended: undefined };
    expect(compileQuery("duration < 1d").test(young)).toBe(false);
    expect(compileQuery("not has(duration)").test(young)).toBe(true);
  });

  test("says which tags it needs, each once", () => {
    expect(compileQuery('last("a") < 1 and (min("b") in [first("c"), 2] or not max("a") ~ "1") or has(-count("d"))').tags).toEqual(["a", "b", "c", "d"]);
    expect(compileQuery("hp.lr < 1").tags).toEqual([]);
  });

  test.each([
    ["", 0, "the query ends where a value was expected"],
    ["hp.lr <", 7, "the query ends where a value was expected"],
    ["hp.lr = 1", 6, "equality is written =="],
    ["hp.lr < 1 && hp.x", 10, "written and"],
    ["hp.lr < 1 || hp.x", 10, "written or"],
    ["!hp.x", 0, "written not, != or !~"],
    ["hp.lr < 1 hp.x", 10, "hp stands where and, or, a comparison or the end was expected"],
    ["(hp.lr < 1", 10, "the query ends where ) was expected"],
    ["hp.lr < 1)", 9, ") stands where and, or, a comparison or the end was expected"],
    ["lr < 1", 0, 'lr is no name known here; a hyperparameter is written hp.lr, a text "lr"'],
    ["hp < 1", 3, '< stands where . or [ and a hyperparameter\'s name, as in hp.lr or hp["batch size"], was expected'],
    ["hp. < 1", 4, "< stands where a hyperparameter's name was expected"],
    ["hp[lr]", 3, "lr stands where a hyperparameter's name in quotes was expected"],
    ["last(loss) < 1", 5, 'loss stands where a tag in quotes, as in last("val/loss"), was expected'],
    ["last < 1", 0, 'last needs a name behind it, as in last("loss")'],
    ['best("loss") < 1', 0, "there is no function best; there are last, first, min, max, count, step, min_step, max_step, has, tag"],
    ['run ~ "("', 6, "this regex is broken: Unterminated group"],
    ["run ~ train", 6, "train stands where a regex in quotes was expected"],
    ['run == "a', 7, 'this text has no closing "'],
    ['status == "done"', 10, 'no status is called "done"; there are running, finished, stalled, failed'],
    ['started > "soon"', 10, '"soon" is no time; one is written "2026-01-31" or "2026-01-31 18:30"'],
    ["duration > 5 parsecs", 13, "parsecs stands where and, or, a comparison or the end was expected"],
    ["duration > 5parsecs", 12, "5 cannot be followed by parsecs; units of time are s, min, h, d, w"],
    ["hp.lr in 1", 9, "1 stands where [ was expected"],
    ["hp.lr in [1, 2", 14, "the query ends where ] was expected"],
    ["hp.lr not 1", 10, "1 stands where in was expected"],
    ["and hp.x", 0, "and stands where a value was expected"],
    ["hp.lr < 1; alert(1)", 9, "; means nothing here"],
    ["hp.lr < 💥", 8, "💥 means nothing here"],
    ["(".repeat(100), 61, "nested more than 60 deep"],
    ["not ".repeat(100), 244, "nested more than 60 deep"],
    ["-".repeat(5_000), 61, "nested more than 60 deep"],
  ])("%s is refused at column %i", (text, at, message) => {
    let error: unknown;
    try {
      compileQuery(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(QueryError);
    expect([(error as QueryError).message, (error as QueryError).at]).toEqual([message, at]);
  });

  test("never hangs or throws anything else, whatever is typed", () => {
    let seed = 3;
    const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const words = ["hp", ".", "lr", "[", "]", "(", ")", '"x"', "'", "<", "==", "and", "or", "not", "in", "~", "1e3", "last", ",", "-", "*", "status", "\\", "2h"];
    for (let i = 0; i < 5_000; i++) {
      const text = Array.from({ length: random(12) }, () => words[random(words.length)]).join(random(2) ? " " : "");
      try {
        expect(typeof compileQuery(text).test(RUN)).toBe("boolean");
      } catch (error) {
        expect(error, text).toBeInstanceOf(QueryError);
      }
    }
  });
});
