import { linked } from "./settings";

/** Width and height. */
export interface Size {
  width: number;
  height: number;
}

/** Where a picture lies in its box, in pixels of the page. */
export interface Lay {
  left: number;
  top: number;
  scale: number;
}

export const NEAREST = 64;

/** How far into a picture one looks, in shares of it: the same zoom says the same of pictures of any size. */
export class Zoom {
  /** Times the size at which the picture fits. */
  k = $state(1);
  /** What of the picture is in the middle of its box, from 0 to 1. */
  x = $state(0.5);
  y = $state(0.5);

  get changed(): boolean {
    return this.k !== 1 || this.x !== 0.5 || this.y !== 0.5;
  }

  reset(): void {
    this.k = 1;
    this.x = this.y = 0.5;
  }

  lay(box: Size, of: Size, actual: boolean): Lay {
    const scale = this.k * (actual ? 1 : Math.min(box.width / of.width, box.height / of.height));
    return { left: edge(box.width, of.width * scale, this.x), top: edge(box.height, of.height * scale, this.y), scale };
  }

  /** Goes nearer, or back, by a factor; what is under the place (px, py) of the box stays there. */
  by(factor: number, px: number, py: number, box: Size, of: Size, actual: boolean): void {
    const before = this.lay(box, of, actual);
    const atX = (px - before.left) / (of.width * before.scale);
    const atY = (py - before.top) / (of.height * before.scale);
    const least = actual ? Math.min(1, box.width / of.width, box.height / of.height) : 1;
    this.k = Math.min(NEAREST, Math.max(least, this.k * factor));
    const { scale } = this.lay(box, of, actual);
    this.x = inside(atX + (box.width / 2 - px) / (of.width * scale), box.width / (of.width * scale));
    this.y = inside(atY + (box.height / 2 - py) / (of.height * scale), box.height / (of.height * scale));
  }

  /** Moves the picture by so many pixels of the page. */
  drag(dx: number, dy: number, box: Size, of: Size, actual: boolean): void {
    const { scale } = this.lay(box, of, actual);
    this.x = inside(this.x - dx / (of.width * scale), box.width / (of.width * scale));
    this.y = inside(this.y - dy / (of.height * scale), box.height / (of.height * scale));
  }
}

/** The middle, where all of it is seen; otherwise no nearer to an edge than half of what is seen. */
function inside(middle: number, seen: number): number {
  return seen >= 1 ? 0.5 : Math.min(1 - seen / 2, Math.max(seen / 2, middle));
}

function edge(box: number, drawn: number, middle: number): number {
  return drawn <= box ? (box - drawn) / 2 : Math.min(0, Math.max(box - drawn, box / 2 - middle * drawn));
}

const shared = new Zoom();

/** The zoom of a picture: everybody's, or its own. */
export function zoomOf(own: Zoom): Zoom {
  return linked.value ? shared : own;
}

export { shared as sharedZoom };
