import type { Attachment } from "svelte/attachments";

/** How far outside the scrolled area an element already counts as near. */
const MARGIN_PX = 240;

/** Says whether an element is in, or nearly in, the visible part of what scrolls it. */
export function whenNear(tell: (near: boolean) => void): Attachment<HTMLElement> {
  return (element) => {
    const root = element.closest("[data-scroller]");
    const observer = new IntersectionObserver((entries) => tell(entries.at(-1)?.isIntersecting ?? false), {
      root,
      rootMargin: `${MARGIN_PX}px 0px`,
    });
    observer.observe(element);
    return () => observer.disconnect();
  };
}
