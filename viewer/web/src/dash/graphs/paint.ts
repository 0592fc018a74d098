/** Draws a graph, on whatever it is given. */
import { MARKS, differenceColour } from "./colours";
import { count } from "./numbers";
import { mixed, type Paper } from "./paper";
import type { Pen } from "./pen";
import type { Box, Picture } from "./picture";
import type { Frame } from "./scene";
import { sizesOf } from "./shapes";
import { plain, textWidth } from "./sizes";
import type { GraphData } from "./wire";

export interface Look {
  picture: Picture;
  data: GraphData;
  colours: readonly string[];
  /** Of nodes and namespaces, where graphs are compared. */
  status: Uint8Array | null;
  selected: number;
  hovered: number;
  until: number;
  /** What stands out, and all else not: by node and namespace; null for all alike. */
  lit: Uint8Array | null;
  found: ReadonlySet<number>;
  labels: boolean;
  paper: Paper;
}

/** Below so many pixels on the screen an open namespace is one block. */
const BLOCK_PX = 26;
const TEXT_PX = 5;
const PALE = 0.2;
/** How wide a text of 10.5 pixels is, for one of 12. */
const SMALL = 0.875;

export class Painter {
  readonly #pen: Pen;
  readonly #look: Look;
  readonly #zoom: number;
  readonly #view: Box;
  readonly #widths: Map<string, string>;

  /** `view` is the part of the graph that is to be seen, `zoom` how many pixels of the screen one of it has. */
  constructor(pen: Pen, look: Look, view: Box, zoom: number, widths = new Map<string, string>()) {
    this.#pen = pen;
    this.#look = look;
    this.#view = view;
    this.#zoom = zoom;
    this.#widths = widths;
  }

  paint(): void {
    const { picture } = this.#look;
    const root = picture.frames.get(picture.model.root);
    if (root) this.#frame(root, 0);
    this.#loose();
    this.#pen.globalAlpha = 1;
  }

  #sees({ x, y, width, height }: Box): boolean {
    const view = this.#view;
    return x < view.x + view.width && x + width > view.x && y < view.y + view.height && y + height > view.y;
  }

  #frame(frame: Frame, depth: number): void {
    const { picture } = this.#look;
    if (depth > 0) this.#opened(frame, depth);
    this.#edges(frame);
    const { children, boxes } = frame;
    const box = { x: 0, y: 0, width: 0, height: 0 };
    for (let i = 0; i < children.length; i++) {
      box.x = frame.x + boxes[4 * i];
      box.y = frame.y + boxes[4 * i + 1];
      box.width = boxes[4 * i + 2];
      box.height = boxes[4 * i + 3];
      if (!this.#sees(box)) continue;
      const inner = picture.frames.get(children[i]);
      if (!inner) this.#thing(children[i], box, picture.asides.has(children[i]));
      else if (Math.min(box.width, box.height) * this.#zoom < BLOCK_PX) this.#block(children[i], box);
      else this.#frame(inner, depth + 1);
    }
  }

  #fade(id: number): void {
    const { lit } = this.#look;
    this.#pen.globalAlpha = lit && !lit[id] ? PALE : 1;
  }

  #block(id: number, { x, y, width, height }: Box): void {
    const { colours, paper } = this.#look;
    this.#fade(id);
    this.#pen.fillStyle = colours[id] ? mixed(colours[id], paper.panel, 0.4) : paper.line;
    this.#pen.beginPath();
    this.#pen.roundRect(x, y, width, height, 3 / this.#zoom);
    this.#pen.fill();
  }

  /** The ground and the head of an open namespace. */
  #opened(frame: Frame, depth: number): void {
    const pen = this.#pen;
    const { colours, paper } = this.#look;
    const colour = colours[frame.id];
    pen.globalAlpha = 1;
    const ground = depth % 2 === 1 ? paper.raise : paper.panel;
    pen.fillStyle = colour ? mixed(colour, ground, 0.06) : ground;
    pen.beginPath();
    pen.roundRect(frame.x, frame.y, frame.width, frame.height, 8);
    pen.fill();
    this.#outline(frame.id, frame, colour ? mixed(colour, paper.line, 0.45) : paper.line, 8);
    if (12 * this.#zoom < TEXT_PX) return;
    this.#fade(frame.id);
    this.#sign(frame.x + 15, frame.y + 16, true);
    this.#text(this.#look.picture.model.label[frame.id], frame.x + 26, frame.y + 20, frame.width - 36, "600 12px", paper.ink2);
    pen.globalAlpha = 1;
  }

  /** The border of a thing, as it is chosen, pointed at, found or as usual. */
  #outline(id: number, { x, y, width, height }: Box, colour: string, radius: number, dash = false): void {
    const pen = this.#pen;
    const { selected, hovered, until, found, paper } = this.#look;
    const chosen = id === selected || id === until;
    pen.strokeStyle = chosen ? paper.accent : found.has(id) ? mixed(paper.accent, paper.panel, 0.75) : id === hovered ? paper.ink3 : colour;
    pen.lineWidth = (chosen ? 2 : found.has(id) ? 1.6 : 1) / Math.min(1, Math.max(this.#zoom, 0.4));
    pen.setLineDash(dash && !chosen ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(x, y, width, height, radius);
    pen.stroke();
    pen.setLineDash([]);
  }

  /** A cross or a bar in a circle: to be opened, or closed. */
  #sign(x: number, y: number, open: boolean): void {
    const pen = this.#pen;
    pen.strokeStyle = this.#look.paper.ink3;
    pen.lineWidth = 1.3;
    pen.beginPath();
    pen.moveTo(x - 3.5, y);
    pen.lineTo(x + 3.5, y);
    if (!open) {
      pen.moveTo(x, y - 3.5);
      pen.lineTo(x, y + 3.5);
    }
    pen.stroke();
  }

  #thing(id: number, box: Box, aside: boolean): void {
    const { picture, colours, paper, status, data } = this.#look;
    const pen = this.#pen;
    const group = picture.model.isGroup(id);
    const colour = colours[id];
    const { x, y, width, height } = box;
    const round = group ? 7 : !data.from.length || isEnd(data, id) ? height / 2 : 6;
    this.#fade(id);
    if (group) this.#deck(box, colour);
    pen.fillStyle = colour ? mixed(colour, paper.panel, paper.dark ? 0.26 : 0.17) : aside ? paper.bg : paper.panel;
    pen.beginPath();
    pen.roundRect(x, y, width, height, round);
    pen.fill();
    const outline = colour ? mixed(colour, paper.panel, 0.62) : group ? paper.outline : mixed(paper.outline, paper.line, 0.55);
    this.#outline(id, box, outline, round, status?.[id] === 2 || aside);
    if (12 * this.#zoom >= TEXT_PX) this.#words(id, box, group);
    pen.globalAlpha = 1;
  }

  /** A second sheet below a closed namespace: it holds more. */
  #deck({ x, y, width, height }: Box, colour: string): void {
    const pen = this.#pen;
    const { paper } = this.#look;
    if (this.#zoom < 0.25) return;
    pen.strokeStyle = colour ? mixed(colour, paper.panel, 0.4) : paper.line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x + 7, y + height + 3);
    pen.lineTo(x + width - 7, y + height + 3);
    pen.stroke();
  }

  #words(id: number, { x, y, width, height }: Box, group: boolean): void {
    const { picture, paper, data, status } = this.#look;
    const { model } = picture;
    const pen = this.#pen;
    const label = model.label[id];
    const middle = x + width / 2;
    const mark = status ? MARKS[status[id]] : undefined;
    if (mark && status) {
      pen.textAlign = "left";
      this.#text(mark, x + 8, y + 14, 14, "700 13px", differenceColour(status[id], paper.dark));
    }
    pen.textAlign = "center";
    if (group) {
      this.#text(label, middle, y + 18, width - 34, "600 12px", paper.ink);
      this.#text(this.#held(id, width - 16), middle, y + 33, width - 16, "10.5px", paper.ink2);
      pen.textAlign = "left";
      this.#sign(x + width - 13, y + 13, false);
      return;
    }
    const op = data.op[id];
    if (plain(label, op)) this.#text(label, middle, y + height / 2 + 4, width - 14, "12px", paper.ink);
    else {
      this.#text(label, middle, y + 15, width - 14, "12px", paper.ink);
      this.#text(op, middle, y + 28, width - 14, "10.5px", paper.ink2);
    }
    pen.textAlign = "left";
  }

  /** In few words what a closed namespace holds: how many nodes, and parameters where there is room for these. */
  #held(id: number, room: number): string {
    const { model } = this.#look.picture;
    const parameters = model.totals.parameters?.[id] ?? 0;
    const nodes = `${count(model.size(id))} nodes`;
    const both = `${nodes} · ${count(parameters)} params`;
    return parameters > 0 && textWidth(both) * SMALL < room ? both : nodes;
  }

  #text(text: string, x: number, y: number, room: number, font: string, colour: string): void {
    const pen = this.#pen;
    pen.font = `${font} ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif`;
    pen.fillStyle = colour;
    const key = `${font}|${Math.round(room)}|${text}`;
    let shown = this.#widths.get(key);
    if (shown === undefined) {
      if (this.#widths.size > 20_000) this.#widths.clear();
      this.#widths.set(key, (shown = cut(pen, text, room)));
    }
    pen.fillText(shown, x, y);
  }

  #edges(frame: Frame): void {
    const { picture, lit, paper, hovered, selected } = this.#look;
    const pen = this.#pen;
    if (this.#zoom * 30 < 1.5) return;
    const bright = (e: number): boolean => {
      if (!lit) return false;
      if (!lit[frame.source[e]]) return false;
      for (let i = frame.ends[e]; i < frame.ends[e + 1]; i++) if (lit[frame.targets[i]]) return true;
      return false;
    };
    const near = (e: number): boolean => {
      const which = hovered >= 0 ? hovered : selected;
      if (which < 0 || lit) return false;
      if (frame.source[e] === which) return true;
      for (let i = frame.ends[e]; i < frame.ends[e + 1]; i++) if (frame.targets[i] === which) return true;
      return false;
    };
    const usual = mixed(paper.ink3, paper.bg, paper.dark ? 0.7 : 0.6);
    const bounds = picture.bounds(frame);
    for (const { width, control, edges } of picture.strokes(frame)) {
      const seen = edges.filter((e) => this.#seesEdge(frame, bounds, e));
      if (seen.length === 0) continue;
      const special = lit ? seen.filter(bright) : seen.filter(near);
      const marked = new Set(special);
      const others = special.length > 0 ? seen.filter((e) => !marked.has(e)) : seen;
      pen.setLineDash(control ? [4, 4] : []);
      this.#stroke(frame, others, width, usual, lit ? PALE : 1);
      this.#stroke(frame, special, Math.max(width, 1.5), paper.accent, 1);
      pen.setLineDash([]);
    }
    if (this.#look.labels && this.#zoom > 0.55) this.#shapes(frame);
  }

  #seesEdge({ x, y }: Frame, bounds: Float32Array, e: number): boolean {
    const view = this.#view;
    const at = 4 * e;
    return x + bounds[at] < view.x + view.width && x + bounds[at + 2] > view.x && y + bounds[at + 1] < view.y + view.height && y + bounds[at + 3] > view.y;
  }

  #stroke(frame: Frame, edges: readonly number[], width: number, colour: string, alpha: number): void {
    if (edges.length === 0) return;
    const pen = this.#pen;
    const { curves, starts, x, y } = frame;
    pen.strokeStyle = colour;
    pen.fillStyle = colour;
    pen.globalAlpha = alpha;
    pen.lineWidth = Math.max(width, 0.7 / this.#zoom);
    pen.beginPath();
    for (const e of edges) {
      let i = starts[e];
      pen.moveTo(x + curves[i], y + curves[i + 1]);
      const last = starts[e + 1] - 6;
      for (i += 2; i <= last; i += 6) {
        // The last part ends at its arrow's foot.
        const foot = i === last && frame.arrow[e] === 1 ? Math.sign(curves[i + 5] - curves[i + 3]) * 5 : 0;
        pen.bezierCurveTo(x + curves[i], y + curves[i + 1], x + curves[i + 2], y + curves[i + 3], x + curves[i + 4], y + curves[i + 5] - foot);
      }
    }
    pen.stroke();
    if (this.#zoom > 0.3) this.#arrows(frame, edges, width);
    pen.globalAlpha = 1;
  }

  #arrows({ curves, starts, arrow, x, y }: Frame, edges: readonly number[], width: number): void {
    const pen = this.#pen;
    const half = 3 + width * 0.5;
    pen.beginPath();
    for (const e of edges) {
      if (!arrow[e] || starts[e + 1] - starts[e] < 8) continue;
      const [tx, ty] = [x + curves[starts[e + 1] - 2], y + curves[starts[e + 1] - 1]];
      pen.moveTo(tx, ty);
      pen.lineTo(tx - half, ty - 6 - width * 0.5);
      pen.lineTo(tx + half, ty - 6 - width * 0.5);
      pen.closePath();
    }
    pen.fill();
  }

  /** Shapes of tensors beside their edges, where there is room. */
  #shapes(frame: Frame): void {
    const { paper, lit } = this.#look;
    const pen = this.#pen;
    const taken: Box[] = [];
    for (let e = 0; e < frame.source.length; e++) {
      const text = frame.tensors[e] === 1 ? sizesOf(frame.shape[e]) : frame.tensors[e] > 1 ? `${frame.tensors[e]} tensors` : "";
      if (text === "" || text === "?" || (lit && !lit[frame.source[e]])) continue;
      const place = middleOf(frame, e);
      const box = { x: frame.x + place[0] + 5, y: frame.y + place[1] - 6, width: text.length * 5.6 + 2, height: 12 };
      if (!this.#sees(box) || taken.some((other) => other.x < box.x + box.width && box.x < other.x + other.width && other.y < box.y + 12 && box.y < other.y + 12)) continue;
      if (this.#covered(frame, box)) continue;
      taken.push(box);
      pen.globalAlpha = 1;
      this.#text(text, box.x, box.y + 9.5, 200, "10px", paper.ink3);
    }
  }

  #covered({ children, boxes, x, y }: Frame, box: Box): boolean {
    if (children.length > 400) return false;
    for (let i = 0; i < children.length; i++) {
      const [left, top, width, height] = [x + boxes[4 * i], y + boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]];
      if (left < box.x + box.width && box.x < left + width && top < box.y + box.height && box.y < top + height) return true;
    }
    return false;
  }

  /** Edges of what stands aside, only of what is chosen or pointed at. */
  #loose(): void {
    const { picture, paper, hovered, selected } = this.#look;
    const pen = this.#pen;
    const some = [...new Set([hovered, selected])].filter((id) => id >= 0 && picture.loose.has(id));
    pen.strokeStyle = paper.accent;
    pen.lineWidth = 1.2;
    pen.setLineDash([2, 3]);
    pen.beginPath();
    for (const id of some) {
      const box = picture.box(id);
      for (const other of picture.loose.get(id) ?? []) {
        const end = picture.box(other);
        if (!box || !end) continue;
        const [ax, ay] = [box.x + box.width / 2 < end.x ? box.x + box.width : box.x, box.y + box.height / 2];
        const [bx, by] = [end.x + end.width / 2 < box.x ? end.x + end.width : end.x, end.y + end.height / 2];
        const bend = Math.max(20, Math.abs(bx - ax) / 2) * Math.sign(ax > box.x ? 1 : -1);
        pen.moveTo(ax, ay);
        pen.bezierCurveTo(ax + bend, ay, bx - bend, by, bx, by);
      }
    }
    pen.stroke();
    pen.setLineDash([]);
  }
}

/** Inputs and outputs of the graph are rounder than others. */
function isEnd(data: GraphData, id: number): boolean {
  return /^(input|output|placeholder|io node|_arg|_retval|inputlayer)$/i.test(data.op[id] ?? "");
}

/** The middle of the longest part of an edge that slants, or of the first. */
function middleOf({ curves, starts }: Frame, e: number): [number, number] {
  let [best, x, y] = [-1, 0, 0];
  for (let i = starts[e]; i + 7 < starts[e + 1] + 0; i += 6) {
    const long = Math.abs(curves[i + 7] - curves[i + 1]);
    if (long > best && (best < 16 || long > 1.5 * best)) [best, x, y] = [long, (curves[i] + curves[i + 6]) / 2, (curves[i + 1] + curves[i + 7]) / 2];
  }
  return [x, y];
}

function cut(pen: Pen, text: string, room: number): string {
  if (pen.measureText(text).width <= room) return text;
  let [lo, hi] = [0, text.length];
  while (lo < hi) {
    const middle = (lo + hi + 1) >> 1;
    if (pen.measureText(`${text.slice(0, middle)}…`).width <= room) lo = middle;
    else hi = middle - 1;
  }
  return lo > 0 ? `${text.slice(0, lo)}…` : "";
}
