import { describe, expect, test } from "vitest";
import type { Subject } from "../src/app/runs/subject";
import type { Hparam, RunFact } from "../src/data/facts";
import { tableOf } from "../src/dash/hparams/ask";
import { axisOf } from "../src/dash/hparams/axes";
import { isBrushes, passes, told } from "../src/dash/hparams/brush";
import { fieldOf, idOf, metricOf, usualFields, type Field } from "../src/dash/hparams/fields";
import { frameOf, heightsOf, nearestRow } from "../src/dash/hparams/lines";
import { middleOf, rowsOf } from "../src/dash/hparams/rows";
import { texNumber, texText, toCsv, toJson, toLatex } from "../src/dash/hparams/save";
import { metricsOf, TrialSubject, trialsOf, type Trial } from "../src/dash/hparams/trials";

type Value = Hparam | undefined;

function fact(hparams: Record<string, Hparam>, more: Partial<RunFact> = {}): RunFact {
  return { status: "stalled", started: null, ended: null, path: "", hparams, last_step: null, ...more };
}

function subject(run: string, hparams: Record<string, Hparam>, last: Record<string, number> = {}, more: Partial<Subject> = {}): Subject {
  const figures = (tag: string) =>
    Object.hasOwn(last, tag) ? { n: 1, nonFinite: 0, first: 0, last: last[tag], min: 0, max: 0, minStep: 0, maxStep: 0, lastStep: 0 } : undefined;
  return { run, status: "stalled", started: undefined, ended: undefined, lastStep: undefined, path: undefined, title: undefined, note: undefined, labels: [], hparams, figures, ...more };
}

function field(id: string): Field {
  const found = fieldOf(id, () => true);
  if (!found) throw new Error(`no field ${id}`);
  return found;
}

describe("trials", () => {
  const facts = new Map<string, RunFact>([
    ["a", fact({ lr: 1 })],
    ["a/1760000000.5", fact({ lr: 1 }, { hparams_of: "a" })],
    ["k", fact({ lr: 2 })],
    ["k/train", fact({})],
    ["k/deep/val", fact({})],
    ["k/own", fact({ lr: 3 })],
    ["none", fact({})],
  ]);
  const trials = trialsOf([...facts.keys()], (run) => facts.get(run));

  test("take in torch's run below and the runs of Keras, and leave runs with hyperparameters of their own alone", () => {
    expect(trials.map(({ run, bare, members }) => [run, bare, members.map(({ run, group }) => `${run}|${group}`)])).toEqual([
      ["a", false, ["a|", "a/1760000000.5|"]],
      ["k", false, ["k|", "k/train|train", "k/deep/val|deep/val"]],
      ["k/own", false, ["k/own|"]],
      ["none", true, ["none|"]],
    ]);
  });

  test("have every scalar of all their runs, those that most have first", () => {
    const scalars = new Map([
      ["loss", ["a", "k/train", "k/deep/val", "k/own"]],
      ["acc", ["a/1760000000.5"]],
    ]);
    expect(metricsOf(trials, scalars).map(({ group, tag, trials }) => [group, tag, trials])).toEqual([
      ["", "loss", 2],
      ["train", "loss", 1],
      ["deep/val", "loss", 1],
      ["", "acc", 1],
    ]);
  });

  test("run as long as one of their runs does, and go from the first start to the last end", () => {
    const runs: Record<string, Subject> = {
      k: subject("k", { lr: 2 }, {}, { started: 5, ended: 6 }),
      "k/train": subject("k/train", {}, { loss: 0.5 }, { status: "running", started: 4, ended: 9, lastStep: 7 }),
      "k/deep/val": subject("k/deep/val", {}, { loss: 0.25 }),
    };
    const joined = new TrialSubject(trials[1], (run) => runs[run]);
    expect([joined.status, joined.started, joined.ended, joined.lastStep]).toEqual(["running", 4, 9, 7]);
    expect(field("last:loss").value(joined)).toBeUndefined();
    expect(field(idOf("last", "deep/val", "loss")).value(joined)).toBe(0.25);
  });
});

describe("columns", () => {
  test("are called so that any run and tag comes back", () => {
    for (const [group, tag] of [["", "a:b"], ["val", "loss"], ["a:b/c @%", "x@y:z"], ["", "last:x"]]) {
      expect(metricOf(idOf("max", group, tag))).toEqual({ measure: "max", group, tag });
    }
    expect(metricOf("last@%:x")).toBeNull();
    expect(fieldOf("nonsense", () => true)).toBeNull();
  });

  test("that nobody chose are the hyperparameters and likely metrics", () => {
    const metrics = ["grad/norm", "val/loss", "hparam/acc", "train/loss"].map((tag) => ({ group: "", tag, trials: 2 }));
    expect(usualFields(["lr"], metrics)).toEqual(["hp:lr", "last:hparam/acc", "last:val/loss", "last:train/loss", "last:grad/norm"]);
  });
});

describe("an axis", () => {
  test("of numbers far apart is logarithmic, of near ones linear, and what has no place is beside it", () => {
    const log = axisOf([0.001, 0.01, 1, 0, undefined, NaN], "log", 5);
    expect([0.001, 1, 0, undefined, NaN, Infinity, "x"].map(log.place)).toEqual([0, 1, null, null, null, null, null]);
    expect(log.place(0.01)).toBeCloseTo(1 / 3, 12);
    expect(log.gaps).toBe(true);
    expect(axisOf([0.001, 0.01, 1], undefined, 5).scale).toBe("log");
    expect(axisOf([0.001, 0.3, 0.5, 0.6, 1], undefined, 5).scale).toBe("linear");
    const linear = axisOf([1, 2, 3], undefined, 5);
    expect([linear.scale, linear.gaps, [1, 1.5, 3].map(linear.place)]).toEqual(["linear", false, [0, 0.25, 1]]);
    expect(axisOf([2, 4, 8, 4], undefined, 5).ticks.map(({ label }) => label)).toEqual(["2", "4", "8"]);
  });

  test("of words, flags or a mixture has a place for each, numbers first", () => {
    const mixed = axisOf(["b", 10, 9, true, "a"], "log", 5);
    expect([mixed.scale, mixed.scales]).toEqual(["category", ["category"]]);
    expect([9, 10, "a", "b", true].map(mixed.place)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(axisOf(["only"], undefined, 5).place("only")).toBe(0.5);
    expect(axisOf([], undefined, 5).place(1)).toBeNull();
  });

  test("by quantiles gives every number its share, and equal ones one place", () => {
    const axis = axisOf([1, 1, 1, 10, 1000], "quantile", 5);
    expect([1, 10, 1000, 0, 5000].map(axis.place)).toEqual([0.25, 0.75, 1, 0, 1]);
    expect(axis.place(505)).toBeCloseTo(0.75 + 0.25 / 2, 12);
  });

  test("brushed from end to end lets all of its numbers through, whatever the scale", () => {
    for (const values of [[1e-300, 1e300], [-1e308, 1e308], [0.1, 0.2, 0.3], [5], [-3, -3], [1e-7, 0.3]]) {
      for (const scale of ["linear", "log", "quantile", "category"] as const) {
        const axis = axisOf(values, scale, 5);
        const brush = axis.brush(0, 1, false);
        expect(values.filter((value) => axis.place(value) !== null && !passes(brush, value))).toEqual([]);
        const [lo, hi] = axis.reach(brush) ?? [NaN, NaN];
        expect(hi).toBeGreaterThanOrEqual(lo);
      }
    }
  });
});

describe("a brush", () => {
  test("is of numbers, of words, or of what is missing", () => {
    const values: Value[] = [1, 2, 3, "2", true, undefined, NaN, Infinity];
    const through = (brush: Parameters<typeof passes>[0]): Value[] => values.filter((value) => passes(brush, value));
    expect(through({ lo: 1.5, hi: 3 })).toEqual([2, 3]);
    expect(through({ words: ["2", "true"] })).toEqual([2, "2", true]);
    expect(through({ none: true })).toEqual([undefined, NaN, Infinity]);
    expect(through({ lo: 1, hi: 1, none: true })).toEqual([1, undefined, NaN, Infinity]);
    expect(told({ lo: 1, hi: 2, none: true }, String)).toBe("1 to 2, none");
  });

  test("of an address is one, or nothing", () => {
    expect([{}, { a: { lo: 1, hi: 2 } }, { a: { words: ["x"] } }, { a: { none: true } }].map(isBrushes)).toEqual([true, true, true, true]);
    expect([[], null, 1, { a: 1 }, { a: { lo: "1" } }, { a: { words: [1] } }, { a: { none: 1 } }].map(isBrushes)).toEqual(Array(7).fill(false));
  });
});

describe("rows", () => {
  const trial = (run: string): Trial => ({ run, bare: false, members: [{ run, group: "" }] });
  const runs = [
    subject("a", { lr: 0.1, seed: 0 }, { loss: 1 }),
    subject("b", { lr: 0.1, seed: 1 }, { loss: 2 }),
    subject("c", { lr: 0.1, seed: 2 }, { loss: 9 }),
    subject("d", { lr: 0.2, seed: 0 }, { loss: NaN }),
  ];
  const subjects = runs.map((one) => new TrialSubject(trial(one.run), () => one));
  const fields = ["hp:lr", "hp:seed", "last:loss"].map(field);

  test("are the runs, or groups of those that differ in their seeds alone", () => {
    expect(rowsOf(subjects, fields, null, "mean").map(({ key, values }) => [key, ...values.values()])).toEqual([
      ["a", 0.1, 0, 1],
      ["b", 0.1, 1, 2],
      ["c", 0.1, 2, 9],
      ["d", 0.2, 0, NaN],
    ]);
    const grouped = rowsOf(subjects, fields, new Set(["seed"]), "median");
    expect(grouped.map(({ name, runs, values }) => [name, runs.length, ...values.values()])).toEqual([
      ["lr=0.1", 3, 0.1, "3 values", 2],
      ["d", 1, 0.2, 0, NaN],
    ]);
  });

  test("have numpy's mean, median, least and greatest", () => {
    const of = (numbers: number[]): number[] => (["mean", "median", "min", "max"] as const).map((how) => middleOf(numbers, how));
    expect(of([1, 2, 9])).toEqual([4, 2, 1, 9]);
    expect(of([4, 1])).toEqual([2.5, 2.5, 1, 4]);
    expect(of([1, NaN])).toEqual([NaN, NaN, NaN, NaN]);
  });

  test("are saved so that spreadsheets, programs and LaTeX read them", () => {
    const odd = rowsOf([new TrialSubject(trial("=1+1"), () => subject("=1+1", { lr: 1e-7, opt: 'a,"b"_&' }, { loss: Infinity }))], ["hp:lr", "hp:opt", "hp:gone", "last:loss"].map(field), null, "mean");
    const columns = ["hp:lr", "hp:opt", "hp:gone", "last:loss"].map(field);
    expect(toCsv(odd, columns, true)).toBe(`run,runs,lr,opt,gone,last loss\n'=1+1,1,1e-7,"a,""b""_&",,Infinity\n`);
    expect(JSON.parse(toJson(odd, columns, false))).toEqual([{ run: "=1+1", values: { lr: 1e-7, opt: 'a,"b"_&', "last loss": "Infinity" } }]);
    expect(toLatex(odd, columns, false)).toContain('=1+1 & $1 \\cdot 10^{-7}$ & a,"b"\\_\\& & -- & $\\infty$ \\\\');
    expect(texText("\\input{x}^~<\n$%#")).toBe("\\textbackslash{}input\\{x\\}\\textasciicircum{}\\textasciitilde{}\\textless{} \\$\\%\\#");
    expect([0, -2, 0.123456, 1234567, NaN].map(texNumber)).toEqual(["$0$", "$-2$", "$0.1235$", "$1.235 \\cdot 10^{6}$", "NaN"]);
  });

  test("are sent without what JSON cannot say, and fewer of them where there are too many", () => {
    const rows = rowsOf(subjects, fields, null, "mean");
    const { body, every } = tableOf(rows, fields, { target: "last:loss" });
    expect(every).toBe(1);
    expect(JSON.parse(body)).toMatchObject({ target: "last:loss", columns: [{ name: "hp:lr" }, {}, { values: [1, 2, 9, null] }] });
    const many = Array.from({ length: 200_000 }, () => rows[0]);
    const cut = tableOf(many, fields);
    expect(cut.body.length).toBeLessThan(1 << 20);
    expect(cut.every).toBeGreaterThan(1);
  });
});

describe("lines", () => {
  test("are found by the pointer, ticked ones first", () => {
    const rows = [0, 1].map((value) => ({ key: `r${value}`, name: "", runs: [], trials: [], values: new Map<string, Value>([["x", value], ["y", 1 - value]]) }));
    const axes = ["x", "y"].map((id) => axisOf(rows.map(({ values }) => values.get(id)), undefined, 5));
    const frame = frameOf(400, 258, axes);
    expect([frame.top, frame.bottom]).toEqual([46, 246]);
    const heights = heightsOf(frame, rows, ["x", "y"], axes);
    expect([...heights]).toEqual([246, 46, 46, 246]);
    const at = (x: number, y: number, ticked: (row: number) => boolean = () => true): number | null => nearestRow(frame.x, heights, 2, ticked, x, y);
    expect([at(56, 46), at(56, 246), at(344, 46), at(128, 96), at(128, 150)]).toEqual([1, 0, 0, 1, null]);
    expect(at(200, 146, (row) => row === 1)).toBe(1);
  });
});
