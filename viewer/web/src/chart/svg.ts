import type { Pen } from "./draw";

/** What a plot needs of the surface it is painted on. */
export type Surface = Pen & Pick<CanvasRenderingContext2D, "measureText" | "save" | "restore" | "rect" | "clip" | "lineJoin">;

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text as XML may hold it: markup escaped, control characters left out. */
export function escapeXml(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").replace(/[&<>"]/g, (sign) => ESCAPES[sign]);
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Takes the calls that a canvas takes and writes them down as SVG: both pictures come from the same code. */
export class SvgPen implements Surface {
  strokeStyle: string | CanvasGradient | CanvasPattern = "#000";
  fillStyle: string | CanvasGradient | CanvasPattern = "#000";
  lineWidth = 1;
  globalAlpha = 1;
  textAlign: CanvasTextAlign = "left";
  font = "11px sans-serif";
  lineJoin: CanvasLineJoin = "miter";
  #parts: string[] = [];
  #dash = "";
  #path: string[] = [];
  #clips = 0;
  #open: number[] = [];
  #measure: (text: string) => TextMetrics;

  constructor(measure: (text: string) => TextMetrics) {
    this.#measure = measure;
  }

  beginPath(): void {
    this.#path = [];
  }

  moveTo(x: number, y: number): void {
    this.#path.push(`M${short(x)} ${short(y)}`);
  }

  lineTo(x: number, y: number): void {
    this.#path.push(`L${short(x)} ${short(y)}`);
  }

  /** Whole circles only, which is all that charts draw. */
  arc(x: number, y: number, radius: number): void {
    const r = short(radius);
    const across = short(2 * radius);
    this.#path.push(`M${short(x - radius)} ${short(y)}a${r} ${r} 0 1 0 ${across} 0a${r} ${r} 0 1 0 -${across} 0`);
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.#path.push(`M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}z`);
  }

  stroke(): void {
    const look = `stroke="${escapeXml(String(this.strokeStyle))}" stroke-width="${short(this.lineWidth)}" stroke-linejoin="${this.lineJoin}"${this.#dash && ` stroke-dasharray="${this.#dash}"`}`;
    if (this.#path.length > 0) this.#parts.push(`<path d="${this.#path.join("")}" fill="none" ${look}${this.#opacity()}/>`);
  }

  fill(): void {
    if (this.#path.length > 0) this.#parts.push(`<path d="${this.#path.join("")}" fill="${escapeXml(String(this.fillStyle))}"${this.#opacity()}/>`);
  }

  fillText(text: string, x: number, y: number): void {
    const anchor = { center: "middle", right: "end", end: "end", left: "start", start: "start" }[this.textAlign];
    this.#parts.push(
      `<text x="${short(x)}" y="${short(y)}" fill="${escapeXml(String(this.fillStyle))}" text-anchor="${anchor}">${escapeXml(text)}</text>`,
    );
  }

  measureText(text: string): TextMetrics {
    return this.#measure(text);
  }

  save(): void {
    this.#open.push(0);
  }

  clip(): void {
    const id = `clip${this.#clips++}`;
    this.#parts.push(`<clipPath id="${id}"><path d="${this.#path.join("")}"/></clipPath><g clip-path="url(#${id})">`);
    if (this.#open.length > 0) this.#open[this.#open.length - 1]++;
  }

  restore(): void {
    this.#parts.push("</g>".repeat(this.#open.pop() ?? 0));
  }

  /** The whole document, on a background of its own, with a title for people who cannot see it. */
  document(width: number, height: number, background: string, title: string): string {
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" `,
      `font-family="ui-sans-serif, system-ui, sans-serif" font-size="11" role="img"><title>${escapeXml(title)}</title>`,
      `<rect width="${width}" height="${height}" fill="${escapeXml(background)}"/>`,
      ...this.#parts,
      "</svg>\n",
    ].join("");
  }

  setLineDash(dash: readonly number[]): void {
    this.#dash = dash.map(short).join(" ");
  }

  #opacity(): string {
    return this.globalAlpha < 1 ? ` opacity="${short(this.globalAlpha)}"` : "";
  }
}
