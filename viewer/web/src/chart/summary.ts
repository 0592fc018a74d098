import type { Outside } from "./edges";
import { stepText, valueText } from "./format";
import { calledOf, type Trace } from "./trace";

const NAMED = 10;

/** What a chart shows in words, for those who cannot see it: each run's last value. */
export function summaryOf(tag: string, traces: readonly Trace[], { above, below }: Outside = { above: 0, below: 0 }): string {
  if (traces.length === 0) return `${tag}, no points yet`;
  const runs = traces.length === 1 ? "1 run" : `${traces.length} runs`;
  const lasts = traces.slice(0, NAMED).map((trace) => {
    const { n, raw, step } = trace.whole ?? trace;
    const name = calledOf(trace);
    return n === 0 ? `${name}: no points yet` : `${name}: ${valueText(raw[n - 1])} at step ${stepText(step[n - 1])}`;
  });
  if (traces.length > NAMED) lasts.push(`and ${traces.length - NAMED} more`);
  const outside = above + below > 0 ? `. Outliers not shown: ${above} above, ${below} below` : "";
  return `${tag}, ${runs}. Last values: ${lasts.join("; ")}${outside}`;
}
