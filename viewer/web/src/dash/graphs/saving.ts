/** A graph as a file: whole, as it is open now, by the code that draws it on the page. */
import { Painter, type Look } from "./paint";
import { SvgPen } from "./pen";

const MARGIN_PX = 24;
/** Browsers draw no canvas that is larger. */
const MOST_PX = 8_192;
const MOST_AREA = 48_000_000;

function still(look: Look): Look {
  return { ...look, hovered: -1 };
}

function around({ picture: { scene } }: Look): { x: number; y: number; width: number; height: number } {
  return { x: -MARGIN_PX, y: -MARGIN_PX, width: scene.width + 2 * MARGIN_PX, height: scene.height + 2 * MARGIN_PX };
}

export function toSvg(look: Look, title: string): string {
  const context = document.createElement("canvas").getContext("2d");
  const pen = new SvgPen((text, font) => {
    if (!context) return { width: text.length * 7 } as TextMetrics;
    context.font = font;
    return context.measureText(text);
  });
  const box = around(look);
  new Painter(pen, still(look), box, 1).paint();
  return pen.document(box.x, box.y, box.width, box.height, look.paper.bg, title);
}

/** At twice its size, or as large as a canvas can be. */
export function toPng(look: Look): Promise<Blob> {
  const box = around(look);
  const scale = Math.min(2, MOST_PX / box.width, MOST_PX / box.height, Math.sqrt(MOST_AREA / (box.width * box.height)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.ceil(box.width * scale), Math.ceil(box.height * scale)];
  const context = canvas.getContext("2d");
  if (!context) return Promise.reject(new Error("the browser draws no picture of this size"));
  context.fillStyle = look.paper.bg;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, -box.x * scale, -box.y * scale);
  new Painter(context, still(look), box, scale).paint();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser makes no picture of this size"))));
  });
}
