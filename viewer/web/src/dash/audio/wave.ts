import type { Part } from "./part";
import type { Sound } from "./wav";

/** Draws each channel in a lane of its own, from a sample to another: least and greatest sample of every pixel. */
export function drawWave(canvas: HTMLCanvasElement, { channels }: Sound, { from, to }: Part, width: number, height: number, ink: string, line: string): void {
  const scale = devicePixelRatio;
  [canvas.width, canvas.height] = [Math.max(1, Math.round(width * scale)), Math.round(height * scale)];
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const lane = canvas.height / channels.length;
  channels.forEach((samples, c) => {
    const middle = lane * (c + 0.5);
    pen.fillStyle = line;
    pen.fillRect(0, Math.round(middle), canvas.width, 1);
    pen.fillStyle = ink;
    for (let x = 0; x < canvas.width; x++) {
      const first = from + Math.floor((x / canvas.width) * (to - from));
      const end = Math.min(samples.length, Math.max(first + 1, from + Math.floor(((x + 1) / canvas.width) * (to - from))));
      let [least, most] = [Infinity, -Infinity];
      for (let i = first; i < end; i++) {
        if (samples[i] < least) least = samples[i];
        if (samples[i] > most) most = samples[i];
      }
      if (most < least) continue;
      const [high, low] = [Math.min(1, most), Math.max(-1, least)];
      pen.fillRect(x, middle - (high * lane) / 2, 1, Math.max(1, ((high - low) * lane) / 2));
    }
  });
}
