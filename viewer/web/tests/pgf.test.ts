import { describe, expect, test } from "vitest";
import { texText, toPgf } from "../src/chart/pgf";
import type { Trace } from "../src/chart/trace";

function trace(name: string, values: number[], more: Partial<Trace> = {}): Trace {
  const step = Float64Array.from(values.keys());
  const raw = Float64Array.from(values);
  return { name, colour: "#2164d0", n: values.length, x: step, origin: 0, rising: true, step, wall: step, raw, line: raw, ...more };
}

const look = { title: "train/loss", xlabel: "step", rise: "log", x: { lo: 0, hi: 10 }, y: { lo: 0.1, hi: 4 }, start: 0 } as const;

describe("a chart for LaTeX", () => {
  test("has each line's points, colour, strokes and name", () => {
    const text = toPgf([trace("run_1", [4, 2, 1]), trace("b", [1, NaN, 3], { dash: [6, 3] })], look);
    expect(text).toContain("\\definecolor{c0}{HTML}{2164D0}");
    expect(text).toContain("\\addplot[c0, line width=0.6pt] coordinates {\n    (0,4) (1,2) (2,1)\n  };\n  \\addlegendentry{run\\_1}");
    expect(text).toContain("\\addplot[c1, line width=0.6pt, dash pattern=on 4.5pt off 2.25pt] coordinates {\n    (0,1) (1,nan) (2,3)\n  };");
    expect(text).toContain("xmin=0, xmax=10, ymin=0.1, ymax=4,\n  ymode=log");
  });

  test("keeps the extremes of a long line in few points, and a band as what is between two paths", () => {
    const values = Array.from({ length: 50_000 }, (_, i) => (i === 31_234 ? 99 : Math.sin(i)));
    const edges = Float64Array.from(values, (value) => value - 1);
    const text = toPgf([trace("a", values, { low: edges, high: edges })], { ...look, x: { lo: 0, hi: 49_999 } });
    expect(text).toContain("(31234,99)");
    expect(text.match(/\(\d/g)?.length).toBeLessThan(3 * 410);
    expect(text).toContain("fill between[of=l0 and h0]");
  });

  test("prints names and runs none of them", () => {
    expect(texText("\\input{/etc/passwd} 50% a_b^2 #1 $x$ ~ <&>\n")).toBe(
      "\\textbackslash{}input\\{/etc/passwd\\} 50\\% a\\_b\\textasciicircum{}2 \\#1 \\$x\\$ \\textasciitilde{} \\textless{}\\&\\textgreater{} ",
    );
  });
});
