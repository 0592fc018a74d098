/** How large the boxes of nodes and namespaces are; measured by a table, so that it is the same wherever it is laid out. */
import type { Model } from "./model";
import type { GraphData } from "./wire";

export const HEAD_PX = 30;
export const PAD_PX = 16;
export const LEAF_PX = 36;
export const PILL_PX = 28;
export const GROUP_PX = 44;
const LEAST_PX = 76;
const MOST_PX = 240;
const NARROW = /[iljtfr.,:;|!'/()[\]-]/;
const WIDE = /[mwMW@%_A-Z]/;

/** About how wide a text of 12 pixels is. */
export function textWidth(text: string): number {
  let sum = 0;
  for (const letter of text) sum += NARROW.test(letter) ? 4.2 : WIDE.test(letter) ? 8.6 : letter > "\u2e80" ? 12 : 6.9;
  return sum;
}

/** Whether nothing is worth a second line: its name tells its op. */
export function plain(label: string, op: string): boolean {
  return op === "" || label.toLowerCase().replace(/_(call)?\d+$/, "") === op.toLowerCase();
}

export function boxSize(model: Model, data: Pick<GraphData, "op"> | null, id: number): readonly [width: number, height: number] {
  const label = model.label[id];
  const group = id >= model.n;
  const op = group || !data ? "" : data.op[id];
  const said = Math.max(textWidth(label) + (group ? 34 : 0), group ? 74 : plain(label, op) ? 0 : textWidth(op) * 0.9);
  const width = Math.min(MOST_PX, Math.max(LEAST_PX, Math.ceil((said + 28) / 8) * 8));
  return [width, group ? GROUP_PX : plain(label, op) ? PILL_PX : LEAF_PX];
}
