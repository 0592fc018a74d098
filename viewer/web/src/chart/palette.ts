/**
 * Ten hues in two sets, one for each theme. Found by a search that held a contrast of 3:1
 * against the panel and kept every pair apart for normal, deuteranopic and protanopic eyes;
 * the tests compute these figures again.
 */
export const HUES = [
  { name: "blue", dark: "#2178fc", light: "#2164d0" },
  { name: "orange", dark: "#eb9544", light: "#af5211" },
  { name: "green", dark: "#43e49a", light: "#037f50" },
  { name: "purple", dark: "#a45fbc", light: "#721ea1" },
  { name: "yellow", dark: "#e5d52f", light: "#a08f28" },
  { name: "pink", dark: "#f96eb1", light: "#eb4eba" },
  { name: "cyan", dark: "#48b0e6", light: "#0998d1" },
  { name: "brown", dark: "#967a65", light: "#6d4935" },
  { name: "red", dark: "#ef3d0b", light: "#da3b63" },
  { name: "slate", dark: "#cbceef", light: "#74798b" },
] as const;

export function hueColour(hue: number, dark: boolean): string {
  const entry = HUES[hue % HUES.length];
  return dark ? entry.dark : entry.light;
}
