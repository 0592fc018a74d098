interface Fitting {
  /** It has so much room now, in whole pixels. */
  fit: (width: number, height: number) => void;
  draw: () => void;
}

const watched = new Map<Element, Fitting>();

/**
 * One observer for all charts, each fitted before any is drawn: what is written on a canvas asks how it is styled, and
 * after each that took another size the browser would work that out anew.
 */
const observer = new ResizeObserver((entries) => {
  const those = entries.flatMap(({ target, contentRect: { width, height } }) => {
    const one = watched.get(target);
    one?.fit(Math.round(width), Math.round(height));
    return one ?? [];
  });
  for (const { draw } of those) draw();
});

/** Tells how much room an element has, now and whenever that changes; returns what ends it. */
export function watchRoom(element: Element, fitting: Fitting): () => void {
  watched.set(element, fitting);
  observer.observe(element);
  return () => {
    observer.unobserve(element);
    watched.delete(element);
  };
}
