import type { Gesture } from "./actions";

/** What the pointer and the arrow keys do on every page: only the sheet of keys tells, so that only it fetches this. */
export const GESTURES: readonly Gesture[] = [
  { does: "Zoom: in x, or both ways when tall", group: "Charts", by: "drag" },
  { does: "Give up a zoom", group: "Charts", by: "double-click" },
  { does: "Only this run, and back to all", group: "Runs", by: "Alt click, or double-click" },
  { does: "Clear and leave a filter", group: "Runs", by: "Esc" },
  { does: "Pin the values under the pointer", group: "Charts", by: "click" },
  { does: "Zoom at the pointer", group: "Charts", by: "Ctrl wheel, or two fingers" },
  { does: "Move what is zoomed", group: "Charts", by: "Shift drag, or the middle button" },
  { does: "In a chart: from point to point, from run to run", group: "Charts", by: "arrow keys" },
  { does: "In a chart: move, zoom, pin", group: "Charts", by: "Shift arrows, + and -, Enter" },
];
