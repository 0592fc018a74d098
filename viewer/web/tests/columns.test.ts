import { describe, expect, test } from "vitest";
import { columnOf, heading, sorted, tagOf, toCsv, toMarkdown, usualColumns, type Column } from "../src/app/runs/columns";
import type { Subject } from "../src/app/runs/subject";
import type { Hparam } from "../src/data/facts";

function subject(run: string, hparams: Record<string, Hparam>, last?: number): Subject {
  const figures = { n: 1, nonFinite: 0, first: 5, last: last ?? 0, min: 0.123456789, max: 9, minStep: 0, maxStep: 0, lastStep: 0 };
  return {
    run,
    status: "running",
    started: 1_760_000_000,
    ended: 1_760_000_090.5,
    lastStep: 12_345,
    path: undefined,
    title: undefined,
    note: undefined,
    labels: ["a", "b"],
    hparams,
    figures: (tag) => (last !== undefined && tag === "a:b" ? figures : undefined),
  };
}

function column(id: string): Column {
  const found = columnOf(id, () => true);
  if (!found) throw new Error(`no column ${id}`);
  return found;
}

describe("a column", () => {
  const run = subject("r", { lr: 0.1 + 0.2, "min:x": "odd" }, 0.5);
  const shown = (id: string): string | undefined => {
    const { value, text } = column(id);
    const found = value(run);
    return found === undefined ? undefined : text(found);
  };

  test("shows what it is called after, whatever stands in the name", () => {
    expect(["status", "duration", "step", "labels", "note"].map(shown)).toEqual(["running", "1m 31s", "12,345", "a, b", undefined]);
    expect(["hp:lr", "hp:min:x", "hp:nope", "hp:toString"].map(shown)).toEqual(["0.3", "odd", undefined, undefined]);
    expect(["last:a:b", "min:a:b", "max:a:b", "first:a:b", "last:c"].map(shown)).toEqual(["0.5", "0.12346", "9", "5", undefined]);
    expect([heading(column("min:a:b")), heading(column("hp:lr")), tagOf("min:a:b"), tagOf("hp:min:x"), tagOf("status")]).toEqual(["min a:b", "lr", "a:b", null, null]);
  });

  test.each(["", "hp:", "last:", "best:loss", "toString", "__proto__", "name"])("is not what %s calls", (id) => {
    expect(columnOf(id, () => true)).toBeNull();
  });

  test("is shown at first where it tells runs apart", () => {
    const hparams = new Map([["lr", { values: 3 }], ["same", { values: 1 }], ["seed", { values: 2 }]]);
    expect(usualColumns(hparams, ["accuracy", "val/loss", "z"])).toEqual(["status", "duration", "step", "hp:lr", "hp:seed", "last:val/loss", "last:accuracy"]);
  });
});

describe("sorting", () => {
  const values: Record<string, Hparam | undefined> = { a: 3, b: undefined, c: "x10", d: 3, e: "x9", f: -1, g: NaN, h: true };
  const sort = (downwards: boolean): string => sorted(Object.keys(values), (run) => values[run], downwards).join("");

  test("puts numbers before texts and what is missing last either way, and is stable", () => {
    expect(sort(false)).toBe("fhadecbg");
    expect(sort(true)).toBe("cea" + "dhfbg");
  });

  test("takes 10,000 runs in a blink", () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `run${i}`);
    const start = performance.now();
    expect(sorted(many, (run) => `v${run.length}-${Number(run.slice(3)) % 500}`, false).length).toBe(10_000);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe("a copied table", () => {
  const runs = [subject("=1+1", { lr: 1 / 3 }, 0.1 + 0.2), subject("a,b|c", { lr: "x\ny" })];
  const columns = [column("hp:lr"), column("last:a:b"), column("started")];

  test("has unrounded numbers, ISO times and no formulas as CSV", () => {
    expect(toCsv(runs, columns)).toBe(
      `run,lr,last a:b,Started\n'=1+1,0.3333333333333333,0.30000000000000004,2025-10-09T08:53:20.000Z\n"a,b|c","x\ny",,2025-10-09T08:53:20.000Z\n`,
    );
  });

  test("reads as on the page in Markdown, and keeps its rows", () => {
    expect(toMarkdown(runs, columns.slice(0, 2))).toBe("| run | lr | last a:b |\n| --- | ---: | ---: |\n| =1+1 | 0.333333333 | 0.3 |\n| a,b\\|c | x y |  |\n");
  });
});
