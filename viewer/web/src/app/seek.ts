type Seek = (tag: string) => unknown;

let seek: Seek | null = null;

/** Says how the dashboard that is shown brings a tag into sight; null when it goes. */
export function seekTag(found: Seek | null): void {
  seek = found;
}

/** Brings a tag into sight, if the dashboard can. */
export function goToTag(tag: string): void {
  seek?.(tag);
}
