import { describe, expect, it } from "vitest";
import type { Listed } from "../src/dash/profiles/wire";
import { baselineOf } from "../src/dash/profiles/views/diff/wire";
import { lateText } from "../src/dash/profiles/views/ranks/wire";
import { byteTicks, moved, tickText, timeOf, valueAt, xOf, zoomed, type Curve } from "../src/dash/profiles/views/memory/curve";
import { barOf, cellText, titleOf, widthOf } from "../src/dash/profiles/tables/cells";
import { traceHref } from "../src/dash/profiles/tables/links";
import { lookOf, looks, setLook } from "../src/dash/profiles/tables/settings";
import { asked, nextSort, rowsOf, type Answer, type Column } from "../src/dash/profiles/tables/wire";

const column = (change: Partial<Column>): Column => ({ id: "total", title: "Total", kind: "time", about: "", signed: false, most: null, sum: null, total: null, ...change });

describe("cells", () => {
  it("say numbers in the unit of their column", () => {
    expect(cellText(1_234_567, column({}))).toBe("1.23 ms");
    expect(cellText(2_560, column({ kind: "bytes" }))).toBe("2.5 KiB");
    expect(cellText(0.1234, column({ kind: "share" }))).toBe("12.3 %");
    expect(cellText(0, column({ kind: "share" }))).toBe("0 %");
    expect(cellText(56.12, column({ kind: "percent" }))).toBe("56.1 %");
    expect(cellText(12_345, column({ kind: "count" }))).toBe("12,345");
    expect(cellText(2.5, column({ kind: "count" }))).toBe("2.5");
    expect(cellText(true, column({ kind: "flag" }))).toBe("yes");
    expect(cellText(null, column({}))).toBe("");
  });

  it("say which way a change went", () => {
    expect(cellText(5_000, column({ signed: true }))).toBe("+5 µs");
    expect(cellText(-5_000, column({ signed: true }))).toBe("−5 µs");
    expect(cellText(-0.5, column({ kind: "share", signed: true }))).toBe("−50 %");
    expect(cellText(0, column({ signed: true }))).toBe("0");
  });

  it("have a bar by the largest of their column, shares by the whole", () => {
    expect(barOf(25, column({ most: 100 }))).toBe(0.25);
    expect(barOf(-25, column({ most: 100, signed: true }))).toBe(0.25);
    expect(barOf(0.25, column({ kind: "share", most: 0.5 }))).toBe(0.25);
    expect(barOf(25, column({ kind: "percent", most: 50 }))).toBe(0.25);
    expect(barOf(25, column({ kind: "count", most: 100 }))).toBeNull();
    expect(barOf(-0.5, column({ kind: "share", most: 1, signed: true }))).toBeNull();
    expect(barOf(null, column({ most: 100 }))).toBeNull();
    expect(barOf(0, column({ most: 0 }))).toBeNull();
  });

  it("tell their share of the sum when pointed at", () => {
    expect(titleOf(250, column({ total: 1_000 }))).toBe("250 ns, 25.0 % of all");
    expect(titleOf(250, column({ signed: true, total: 1_000 }))).toBe("250 ns");
    expect(titleOf(null, column({}))).toBe("not known");
  });

  it("are as wide as their heads need", () => {
    expect(widthOf({ kind: "count", title: "Calls" })).toBe(72);
    expect(widthOf({ kind: "count", title: "Self allocations" })).toBeGreaterThan(140);
  });
});

describe("orders", () => {
  it("turn from the largest to the least and back to the table's own", () => {
    expect(nextSort(column({}), "")).toBe("-total");
    expect(nextSort(column({}), "-total")).toBe("total");
    expect(nextSort(column({}), "total")).toBe("");
    expect(nextSort(column({ kind: "text", id: "name" }), "-total")).toBe("name");
    expect(nextSort(column({ signed: true }), "")).toBe("~total");
    expect(nextSort(column({ signed: true }), "~total")).toBe("-total");
  });
});

describe("what is asked", () => {
  it("leaves out what is as usual", () => {
    expect(asked({ q: "", regex: true, sort: "" })).toEqual({});
    expect(asked({ q: "a", regex: true, sort: "-total" })).toEqual({ q: "a", regex: "1", sort: "-total" });
  });

  it("is kept in the address for each table", () => {
    setLook("kernels", { q: "gemm" });
    setLook("operators", { sort: "-calls" });
    expect(looks.value).toEqual({ kernels: { q: "gemm" }, operators: { sort: "-calls" } });
    expect(lookOf("kernels")).toEqual({ q: "gemm", regex: false, sort: "" });
    setLook("kernels", { q: "" });
    expect(looks.value).toEqual({ operators: { sort: "-calls" } });
  });

  it("is nothing where an address holds anything", () => {
    for (const bad of ["[]", '{"a":3}', '{"a":{"q":1}}', '{"a":{"z":"1"}}']) {
      looks.read(new URLSearchParams({ pftables: bad }));
      expect(looks.value).toEqual({});
    }
  });
});

it("takes rows of an answer by its columns", () => {
  const columns = [column({ id: "name", kind: "text" }), column({})];
  const answer = { columns, rows: [4, 2], cells: { total: [1, null], name: ["a", "b"] }, depth: [0, 1], inside: [true, false], open: [true, true] } as unknown as Answer;
  expect(rowsOf(answer)).toEqual([
    { id: 4, cells: ["a", 1], depth: 0, inside: true, open: true },
    { id: 2, cells: ["b", null], depth: 1, inside: false, open: true },
  ]);
});

it("leads to the trace view and keeps the rest of the address", () => {
  const found = new URLSearchParams(traceHref("void k<int>(a & b)", "#dash=profiles&pfrun=a&pfview=kernels").slice(1));
  expect(Object.fromEntries(found)).toEqual({ dash: "profiles", pfrun: "a", pfview: "trace", pfq: "void k<int>(a & b)" });
});

describe("the curve of memory", () => {
  const curve = { end: 1_000, before: 5, time: [100, 200, 400], low: [10, 0, 7], high: [50, 20, 9], last: [20, 10, 8], reserved: [64, 64, 128] } as unknown as Curve;

  it("has at a time what the last change before it left", () => {
    expect(valueAt(curve, 50)).toEqual({ allocated: 5, reserved: -1, high: 5 });
    expect(valueAt(curve, 200)).toEqual({ allocated: 10, reserved: 64, high: 20 });
    expect(valueAt(curve, 399)).toEqual({ allocated: 10, reserved: 64, high: 20 });
    expect(valueAt(curve, 900)).toEqual({ allocated: 8, reserved: 128, high: 9 });
  });

  it("is zoomed around a place and moved, never beyond the whole", () => {
    expect(zoomed({ lo: 0, hi: 1_000 }, 500, 0.5, 1_000)).toEqual({ lo: 250, hi: 750 });
    expect(zoomed({ lo: 0, hi: 500 }, 100, 4, 1_000)).toEqual({ lo: 0, hi: 1_000 });
    expect(moved({ lo: 200, hi: 400 }, 0.5, 1_000)).toEqual({ lo: 300, hi: 500 });
    expect(moved({ lo: 800, hi: 1_000 }, 0.5, 1_000)).toEqual({ lo: 800, hi: 1_000 });
    expect(moved({ lo: 100, hi: 300 }, -1, 1_000)).toEqual({ lo: 0, hi: 200 });
  });

  it("has ticks at round numbers of bytes", () => {
    expect(byteTicks(3_000, 3)).toEqual([0, 1_024, 2_048]);
    expect(byteTicks(900, 3)).toEqual([0, 500]);
  });

  it("says times of its axis in few digits", () => {
    expect([500_000, 122_500, 1_250, 100, 0, 3_000_000].map(tickText)).toEqual(["500 ms", "122.5 ms", "1.25 ms", "100 µs", "0", "3 s"]);
  });

  it("has its times where they are drawn", () => {
    const window = { lo: 100, hi: 300 };
    expect(timeOf(window, 500, xOf(window, 500, 250))).toBeCloseTo(250);
    expect(timeOf(window, 500, 0)).toBe(100);
    expect(timeOf(window, 500, 5_000)).toBe(300);
  });
});

describe("the baseline", () => {
  const one = (run: string, trace: string, worker = "w0"): Listed => ({ run, trace, worker, bytes: 1, recorded: null, format: "chrome" });
  const profiles = [one("a", "1"), one("a", "2"), one("b", "1", "w1"), one("b", "3")];

  it("is what the address names", () => {
    expect(baselineOf(profiles, { run: "a", trace: "1" }, "b", "1")).toBe(profiles[2]);
    expect(baselineOf(profiles, { run: "a", trace: "1" }, "a", "")).toBe(profiles[1]);
  });

  it("is another run of the same worker where none is named, and never the profile itself", () => {
    expect(baselineOf(profiles, { run: "a", trace: "1" }, "", "")).toBe(profiles[3]);
    expect(baselineOf(profiles, { run: "a", trace: "1" }, "a", "1")).toBe(profiles[1]);
    expect(baselineOf(profiles.slice(0, 2), { run: "a", trace: "1" }, "", "")).toBe(profiles[1]);
    expect(baselineOf(profiles.slice(0, 1), { run: "a", trace: "1" }, "", "")).toBeNull();
  });
});

it("says in words how late a rank is", () => {
  const late = { worker: "w2", rank: 2, collectives: 5, last: 4, caused: 37_100_000, waited: 0 };
  expect(lateText(late)).toBe("Rank 2 came last in 4 of 5; the others waited 37.1 ms for it, and it waited 0 itself.");
  expect(lateText({ ...late, rank: -1 })).toMatch(/^w2 came last/);
});
