/** A card's picture as a file: the same drawing, with its tag and runs above it. */
import { fileName } from "../../chart/table";
import { SvgPen, type Surface } from "../../chart/svg";
import { download } from "../../ui/download";
import { PICTURES } from "./pictures";
import type { Scene } from "./scene";
import type { ViewKind } from "./settings";

const HEAD_PX = 24;

function head(pen: Surface, tag: string, scene: Scene): void {
  pen.textAlign = "left";
  pen.fillStyle = scene.ink.text;
  pen.fillText(tag, 8, 16);
  let x = 8 + pen.measureText(tag).width + 16;
  scene.found.series.forEach(({ run }, i) => {
    pen.fillStyle = scene.colours[i];
    pen.fillText(run, x, 16);
    x += pen.measureText(run).width + 12;
  });
}

/** The picture below its head, as a whole; the pen is moved down by drawing into a higher scene. */
export function svgOf(tag: string, kind: ViewKind, scene: Scene, font: string): string {
  const context = document.createElement("canvas").getContext("2d");
  const measure = (text: string): TextMetrics => {
    if (context) context.font = font;
    return context?.measureText(text) ?? ({ width: text.length * 6 } as TextMetrics);
  };
  const title = new SvgPen(measure);
  head(title, tag, scene);
  const pen = new SvgPen(measure);
  PICTURES[kind].draw(pen, scene);
  const body = (text: string): string => text.slice(text.indexOf("/>") + 2, text.lastIndexOf("</svg>"));
  const inner = `${body(title.document(scene.width, scene.height, scene.ink.panel, tag))}<g transform="translate(0 ${HEAD_PX})">${body(pen.document(scene.width, scene.height, scene.ink.panel, tag))}</g>`;
  const whole = new SvgPen(measure).document(scene.width, scene.height + HEAD_PX, scene.ink.panel, tag);
  return whole.replace(/<\/svg>\n$/, `${inner}</svg>\n`);
}

export function saveSvg(tag: string, kind: ViewKind, scene: Scene, font: string): void {
  download(new Blob([svgOf(tag, kind, scene, font)], { type: "image/svg+xml" }), fileName(tag, "svg"));
}

/** Twice as fine as the page, at least: pictures end up in documents. */
export function savePng(tag: string, kind: ViewKind, scene: Scene, font: string): void {
  const ratio = Math.max(2, devicePixelRatio);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(scene.width * ratio);
  canvas.height = Math.round((scene.height + HEAD_PX) * ratio);
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(ratio, ratio);
  pen.font = font;
  pen.fillStyle = scene.ink.panel;
  pen.fillRect(0, 0, scene.width, scene.height + HEAD_PX);
  head(pen, tag, scene);
  pen.translate(0, HEAD_PX);
  PICTURES[kind].draw(pen, { ...scene, snap: (pixel) => Math.round(pixel * ratio) / ratio });
  canvas.toBlob((blob) => blob && download(blob, fileName(tag, "png")));
}
