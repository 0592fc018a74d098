/** The one queue of drawing: each thing is drawn once a frame, however often it was asked for. */

const queue = new Set<() => void>();
let asked = false;
/** What a frame may spend before the rest waits for the next, so that input is not held up. */
const BUDGET_MS = 10;

function run(): void {
  asked = false;
  const end = performance.now() + BUDGET_MS;
  for (const draw of queue) {
    queue.delete(draw);
    draw();
    if (performance.now() > end) break;
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
