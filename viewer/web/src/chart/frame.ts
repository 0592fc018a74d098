/** The one queue of drawing: each thing is drawn once a frame, however often it was asked for. */

const queue = new Set<() => void>();
let asked = false;
/**
 * What a frame may spend before the rest waits for the next, so that input is not held up. Every frame costs by itself,
 * more the more charts there are: where the browser tells whether input waits, fewer do.
 */
const BUDGET_MS = 10;
const QUIET_BUDGET_MS = 80;

interface Scheduling {
  isInputPending?: () => boolean;
}
const { scheduling } = navigator as Navigator & { scheduling?: Scheduling };

function isSpent(since: number): boolean {
  const spent = performance.now() - since;
  if (spent < BUDGET_MS) return false;
  return spent > QUIET_BUDGET_MS || (scheduling?.isInputPending?.() ?? true);
}

function run(): void {
  asked = false;
  const start = performance.now();
  for (const draw of queue) {
    queue.delete(draw);
    draw();
    if (isSpent(start)) break;
  }
  if (queue.size > 0) ask();
}

function ask(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(run);
}

export function drawSoon(draw: () => void): void {
  queue.add(draw);
  ask();
}

export function forget(draw: () => void): void {
  queue.delete(draw);
}
