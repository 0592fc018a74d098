import type { Trace } from "./trace";

/** A number as CSV and JSON readers of every language take it. */
export function csvNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return String(value);
}

/** A field of CSV; one that a spreadsheet would take for a formula is made text by an apostrophe. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Every point of the traces, none left out: run, step, wall time in seconds, value, and the smoothed value if there is one. */
export function toCsv(traces: readonly Trace[]): string {
  const smoothed = traces.some((trace) => trace.line !== trace.raw);
  const spread = traces.some((trace) => trace.low);
  const lines = [`run,step,wall_time,value${smoothed ? ",smoothed" : ""}${spread ? ",lower,upper,count" : ""}`];
  for (const trace of traces) {
    const name = csvField(trace.name);
    for (let i = 0; i < trace.n; i++) {
      const row = `${name},${trace.step[i]},${csvNumber(trace.wall[i])},${csvNumber(trace.raw[i])}`;
      const edges = spread ? [trace.low?.[i], trace.high?.[i], trace.count?.[i]].map((edge) => `,${edge === undefined ? "" : csvNumber(edge)}`).join("") : "";
      lines.push(`${row}${smoothed ? `,${csvNumber(trace.line[i])}` : ""}${edges}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The same as columns by run; what JSON has no number for is a text. */
export function toJson(tag: string, traces: readonly Trace[]): string {
  const numbers = (column: Float64Array, n: number): (number | string)[] =>
    Array.from(column.subarray(0, n), (value) => (Number.isFinite(value) ? value : csvNumber(value)));
  const runs = traces.map(({ name, n, step, wall, raw, line, low, high, count, runs: members }) => ({
    run: name,
    ...(members && { runs: members }),
    step: numbers(step, n),
    wall_time: numbers(wall, n),
    value: numbers(raw, n),
    ...(line === raw ? {} : { smoothed: numbers(line, n) }),
    ...(low && high && { lower: numbers(low, n), upper: numbers(high, n) }),
    ...(count && { count: numbers(count, n) }),
  }));
  return `${JSON.stringify({ tag, runs })}\n`;
}

/** A file name for a tag: what file systems refuse becomes an underscore. */
export function fileName(tag: string, extension: string): string {
  // eslint-disable-next-line no-control-regex
  const plain = tag.replace(/[\u0000-\u001f<>:"/\\|?*]+/g, "_").replace(/^[. ]+|[. ]+$/g, "");
  return `${plain.slice(0, 100) || "chart"}.${extension}`;
}
