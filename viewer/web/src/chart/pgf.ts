import type { ScaleKind } from "./scale";
import { calledOf, type Range, type Trace } from "./trace";

const SPECIAL: Record<string, string> = {
  "\\": "\\textbackslash{}",
  "{": "\\{",
  "}": "\\}",
  $: "\\$",
  "&": "\\&",
  "#": "\\#",
  "%": "\\%",
  _: "\\_",
  "^": "\\textasciicircum{}",
  "~": "\\textasciitilde{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
};

/** Text that LaTeX prints and never runs: names may hold anything. */
export function texText(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f]+/g, " ").replace(/[\\{}$&#%_^~<>]/g, (sign) => SPECIAL[sign]);
}

/** LaTeX takes long over many points: of each of so many columns the least and the greatest are kept. */
const COLUMNS = 200;

/** Indices within `x`, at most two for each column, in order. */
function chosen(trace: Trace, values: Float64Array, x: Range): number[] {
  const width = (x.hi - x.lo) / COLUMNS;
  const kept: number[] = [];
  let column = NaN;
  let low = -1;
  let high = -1;
  const flush = (): void => {
    if (low >= 0) kept.push(...(low === high ? [low] : [Math.min(low, high), Math.max(low, high)]));
    low = high = -1;
  };
  for (let i = 0; i < trace.n; i++) {
    const at = trace.x[i] - trace.origin;
    if (!(at >= x.lo && at <= x.hi)) continue;
    const now = width > 0 ? Math.floor((at - x.lo) / width) : 0;
    if (now !== column || !Number.isFinite(values[i])) flush();
    column = now;
    if (!Number.isFinite(values[i])) kept.push(i);
    else if (low < 0) low = high = i;
    else {
      if (values[i] < values[low]) low = i;
      if (values[i] >= values[high]) high = i;
    }
  }
  flush();
  return kept;
}

const digits = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(9))) : "nan");

function coordinates(trace: Trace, values: Float64Array, indices: readonly number[], start: number): string {
  const pairs = indices.map((i) => `(${digits(trace.x[i] - trace.origin - start)},${digits(values[i])})`);
  const rows: string[] = [];
  for (let i = 0; i < pairs.length; i += 6) rows.push(`    ${pairs.slice(i, i + 6).join(" ")}`);
  return `coordinates {\n${rows.join("\n")}\n  };`;
}

/** TeX cannot count far: its dashes are in points, and its numbers end at 16383 unless pgfplots does the reckoning. */
function lineOf(trace: Trace, number: number, x: Range, start: number): string[] {
  const { dash = [], low, high, line } = trace;
  const pattern = dash.map((length, i) => `${i % 2 === 0 ? "on" : "off"} ${length * 0.75}pt`).join(" ");
  const style = [`c${number}`, "line width=0.6pt", ...(pattern ? [`dash pattern=${pattern}`] : [])].join(", ");
  const indices = chosen(trace, line, x);
  const edged = indices.filter((i) => Number.isFinite(low?.[i]) && Number.isFinite(high?.[i]));
  const band =
    low && high && edged.length > 0
      ? [
          `  \\addplot[name path=l${number}, draw=none, forget plot] ${coordinates(trace, low, edged, start)}`,
          `  \\addplot[name path=h${number}, draw=none, forget plot] ${coordinates(trace, high, edged, start)}`,
          `  \\addplot[c${number}, fill opacity=0.2, forget plot] fill between[of=l${number} and h${number}];`,
        ]
      : [];
  return [...band, `  \\addplot[${style}] ${coordinates(trace, line, indices, start)}`, `  \\addlegendentry{${texText(calledOf(trace))}}`];
}

interface Look {
  title: string;
  xlabel: string;
  rise: ScaleKind;
  x: Range;
  y: Range;
  /** Taken off all x: seconds since 1970 are more than TeX can tell apart. */
  start: number;
}

/** A document of its own that draws a chart with pgfplots; its tikzpicture can be copied into another. */
export function toPgf(traces: readonly Trace[], { title, xlabel, rise, x, y, start }: Look): string {
  const colours = traces.map(({ colour }, i) => `\\definecolor{c${i}}{HTML}{${colour.replace("#", "").toUpperCase()}}`);
  const options = [
    `title={${texText(title)}}`,
    `xlabel={${texText(xlabel)}}`,
    `xmin=${digits(x.lo - start)}, xmax=${digits(x.hi - start)}, ymin=${digits(y.lo)}, ymax=${digits(y.hi)}`,
    ...(rise === "log" ? ["ymode=log"] : []),
    "width=12cm, height=7cm, grid=major, unbounded coords=jump, scaled x ticks=false",
    "legend style={font=\\footnotesize, cells={anchor=west}}, legend pos=outer north east",
  ];
  return [
    "\\documentclass[border=2pt]{standalone}",
    "\\usepackage{pgfplots}",
    "\\usepgfplotslibrary{fillbetween}",
    "\\pgfplotsset{compat=1.16}",
    ...colours,
    "\\begin{document}",
    "\\begin{tikzpicture}",
    `\\begin{axis}[\n  ${options.join(",\n  ")},\n]`,
    ...traces.flatMap((trace, i) => lineOf(trace, i, x, start)),
    "\\end{axis}",
    "\\end{tikzpicture}",
    "\\end{document}",
    "",
  ].join("\n");
}
