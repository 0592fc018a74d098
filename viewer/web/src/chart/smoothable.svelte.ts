import { learn, type SmootherKind } from "./smooth";

let learned = $state(false);
let asked = false;

/** Whether lines can be smoothed in a way; its code is fetched where not, and who asked within a derived value is run again then. */
export function canSmooth(kind: SmootherKind): boolean {
  if (kind === "ema" || learned) return true;
  if (!asked) void fetchSmoothers();
  return false;
}

async function fetchSmoothers(): Promise<void> {
  asked = true;
  try {
    learn((await import("./smoothers")).smoothAll);
    learned = true;
  } catch {
    asked = false; // the next who asks tries again
  }
}
