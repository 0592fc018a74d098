import type { Attachment } from "svelte/attachments";

/** How far outside the scrolled area an element already counts as near. */
const MARGIN_PX = 240;

type Tell = (near: boolean) => void;

/** One observer for all elements that the same area scrolls: there may be thousands. */
class Area {
  #tell = new Map<Element, Tell>();
  #observer: IntersectionObserver;

  constructor(root: Element | null) {
    this.#observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.#tell.get(target)?.(isIntersecting);
      },
      { root, rootMargin: `${MARGIN_PX}px 0px` },
    );
  }

  watch(element: Element, tell: Tell): () => void {
    this.#tell.set(element, tell);
    this.#observer.observe(element);
    return () => {
      this.#observer.unobserve(element);
      this.#tell.delete(element);
    };
  }
}

const areas = new WeakMap<Element, Area>();

/** Says whether an element is in, or nearly in, the visible part of what scrolls it. */
export function whenNear(tell: Tell): Attachment<HTMLElement> {
  return (element) => {
    const root = element.closest("[data-scroller]") ?? document.documentElement;
    let area = areas.get(root);
    if (!area) areas.set(root, (area = new Area(root === document.documentElement ? null : root)));
    return area.watch(element, tell);
  };
}
