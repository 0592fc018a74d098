/**
 * Ten hues in two sets, one for each theme. Found by a search that held a contrast of 3:1
 * against the panel and kept every pair apart for normal, deuteranopic and protanopic eyes;
 * the tests compute these figures again.
 */
export const HUES = [
  { name: "blue", dark: "#3a7ef9", light: "#234cbe" },
  { name: "orange", dark: "#db7201", light: "#b65b15" },
  { name: "green", dark: "#3be398", light: "#279d73" },
  { name: "purple", dark: "#a163b7", light: "#804fea" },
  { name: "yellow", dark: "#ead32a", light: "#ae8a27" },
  { name: "pink", dark: "#f576bd", light: "#892462" },
  { name: "cyan", dark: "#13b6ec", light: "#2f9abe" },
  { name: "olive", dark: "#98b676", light: "#58560a" },
  { name: "red", dark: "#e12f5d", light: "#ba143c" },
  { name: "slate", dark: "#c4d0f3", light: "#636c89" },
] as const;

export function hueColour(hue: number, dark: boolean): string {
  const entry = HUES[hue % HUES.length];
  return dark ? entry.dark : entry.light;
}
