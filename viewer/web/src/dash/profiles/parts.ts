/** What time goes to: names, colours and meanings, the same in all views. */
import { hueColour } from "../../chart/palette";

/** Where a step's time went; each takes only what none before it took. */
export const PARTS = ["kernel", "memcpy", "memset", "communication", "runtime", "dataloader", "cpu", "other"] as const;
export type Part = (typeof PARTS)[number];

/** The same, seen from the device: what it did, or what it waited for. */
export const TIMES = ["compute", "communication", "copy", "data", "compile", "sync", "launch", "unknown"] as const;
export type Time = (typeof TIMES)[number];

interface Told {
  title: string;
  /** Into the palette, whose hues are far apart for all eyes, in both themes. */
  hue: number;
  says: string;
}

const [BLUE, ORANGE, GREEN, PURPLE, YELLOW, PINK, CYAN, BROWN, RED, SLATE] = Array.from({ length: 10 }, (_, i) => i);
/** In the place of slate: what nobody knows is to be seen, and to shout less than all else. */
const GREY = { dark: "#666d7d", light: "#878d9c" };

export const PART: Readonly<Record<Part, Told>> = {
  kernel: { title: "Kernel", hue: BLUE, says: "the device computes" },
  memcpy: { title: "Memcpy", hue: ORANGE, says: "it copies memory, and does not compute" },
  memset: { title: "Memset", hue: BROWN, says: "it fills memory, and does neither" },
  communication: { title: "Communication", hue: PURPLE, says: "it talks to other processes, and does none of these" },
  runtime: { title: "Runtime", hue: CYAN, says: "the host calls the device's runtime: launches, waits" },
  dataloader: { title: "DataLoader", hue: RED, says: "the host waits for the next batch" },
  cpu: { title: "CPU", hue: GREEN, says: "operators run on the host" },
  other: { title: "Other", hue: SLATE, says: "nothing that was recorded" },
};

export const TIME: Readonly<Record<Time, Told>> = {
  compute: { title: "Computes", hue: BLUE, says: "kernels run; without a device, operators do" },
  communication: { title: "Communicates", hue: PURPLE, says: "talks to other processes and computes nothing" },
  copy: { title: "Copies", hue: ORANGE, says: "copies or fills memory and does nothing else" },
  data: { title: "Waits for data", hue: RED, says: "idle while the host waits for the next batch" },
  compile: { title: "Compiles", hue: YELLOW, says: "idle while the host compiles" },
  sync: { title: "Host waits", hue: PINK, says: "idle while the host waits for it: .item(), synchronize" },
  launch: { title: "Waits for launches", hue: CYAN, says: "idle while the host works and launches" },
  unknown: { title: "Unexplained", hue: SLATE, says: "idle, and nothing that was recorded says why" },
};

const colourOf = (hue: number, dark: boolean): string => (hue === SLATE ? GREY[dark ? "dark" : "light"] : hueColour(hue, dark));
export const partColour = (part: Part, dark: boolean): string => colourOf(PART[part].hue, dark);
export const timeColour = (time: Time, dark: boolean): string => colourOf(TIME[time].hue, dark);
