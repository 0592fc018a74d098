import { escapeXml } from "../../chart/svg";

/** What a graph is drawn with: a canvas, or what writes the same down as SVG. */
export type Pen = Pick<
  CanvasRenderingContext2D,
  | "fillStyle"
  | "strokeStyle"
  | "lineWidth"
  | "globalAlpha"
  | "font"
  | "textAlign"
  | "beginPath"
  | "moveTo"
  | "lineTo"
  | "bezierCurveTo"
  | "roundRect"
  | "closePath"
  | "fill"
  | "stroke"
  | "fillText"
  | "measureText"
  | "setLineDash"
>;

const short = (value: number): string => String(Math.round(value * 100) / 100);

/** Writes down as SVG what is drawn. */
export class SvgPen implements Pen {
  fillStyle: string | CanvasGradient | CanvasPattern = "#000";
  strokeStyle: string | CanvasGradient | CanvasPattern = "#000";
  lineWidth = 1;
  globalAlpha = 1;
  font = "12px sans-serif";
  textAlign: CanvasTextAlign = "left";
  readonly #measure: (text: string, font: string) => TextMetrics;
  readonly #parts: string[] = [];
  #path: string[] = [];
  #dash = "";

  constructor(measure: (text: string, font: string) => TextMetrics) {
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

  bezierCurveTo(...places: [number, number, number, number, number, number]): void {
    this.#path.push(`C${places.map(short).join(" ")}`);
  }

  closePath(): void {
    this.#path.push("Z");
  }

  /** With one radius for all corners. */
  roundRect(x: number, y: number, width: number, height: number, radius?: number | DOMPointInit | Iterable<number | DOMPointInit>): void {
    const r = Math.min(typeof radius === "number" ? radius : 0, width / 2, height / 2);
    const [across, down, round] = [short(width - 2 * r), short(height - 2 * r), short(r)];
    const arc = (dx: string, dy: string): string => `a${round} ${round} 0 0 1 ${dx} ${dy}`;
    this.#path.push(
      `M${short(x + r)} ${short(y)}h${across}${arc(round, round)}v${down}${arc(`-${round}`, round)}h-${across}${arc(`-${round}`, `-${round}`)}v-${down}${arc(round, `-${round}`)}Z`,
    );
  }

  fill(): void {
    if (this.#path.length > 0) this.#parts.push(`<path d="${this.#path.join("")}" fill="${this.#colour(this.fillStyle)}"${this.#opacity()}/>`);
  }

  stroke(): void {
    if (this.#path.length === 0) return;
    const dash = this.#dash && ` stroke-dasharray="${this.#dash}"`;
    this.#parts.push(`<path d="${this.#path.join("")}" fill="none" stroke="${this.#colour(this.strokeStyle)}" stroke-width="${short(this.lineWidth)}"${dash}${this.#opacity()}/>`);
  }

  fillText(text: string, x: number, y: number): void {
    const anchor = this.textAlign === "center" ? ' text-anchor="middle"' : this.textAlign === "right" ? ' text-anchor="end"' : "";
    const [, weight, size] = /^(?:(\d+) )?([\d.]+)px/.exec(this.font) ?? [];
    const look = `${weight ? ` font-weight="${weight}"` : ""} font-size="${size ?? "12"}"`;
    this.#parts.push(`<text x="${short(x)}" y="${short(y)}"${look} fill="${this.#colour(this.fillStyle)}"${anchor}${this.#opacity()}>${escapeXml(text)}</text>`);
  }

  measureText(text: string): TextMetrics {
    return this.#measure(text, this.font);
  }

  setLineDash(dash: Iterable<number>): void {
    this.#dash = [...dash].map(short).join(" ");
  }

  /** The whole document. */
  document(x: number, y: number, width: number, height: number, background: string, title: string): string {
    const box = [x, y, width, height].map(short).join(" ");
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}" height="${short(height)}" viewBox="${box}" font-family="ui-sans-serif, system-ui, sans-serif" role="img">`,
      `<title>${escapeXml(title)}</title><rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${escapeXml(background)}"/>`,
      ...this.#parts,
      "</svg>\n",
    ].join("");
  }

  #colour(style: string | CanvasGradient | CanvasPattern): string {
    return escapeXml(String(style));
  }

  #opacity(): string {
    return this.globalAlpha < 1 ? ` opacity="${short(this.globalAlpha)}"` : "";
  }
}
