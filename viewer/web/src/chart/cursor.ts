/** Where a pointer or the arrow keys point, for all charts to show. */
export interface Cursor {
  /** Of which axis `x` is a place. */
  xkey: string;
  x: number;
  /** The run that is nearest there. */
  lead: string;
}

let now: Cursor | null = null;
let owner: object | null = null;
let copy: (() => Promise<void>) | null = null;
const listeners = new Set<() => void>();

/** The cursor, unless it is `me` who put it there. */
export function cursorFor(me: object): Cursor | null {
  return owner === me ? null : now;
}

/** Puts the cursor somewhere; null takes it away if it is `me` who has it. */
export function putCursor(me: object, cursor: Cursor | null, copying: (() => Promise<void>) | null = null): void {
  if (!cursor && owner !== me) return;
  if (cursor && now && owner === me && cursor.x === now.x && cursor.lead === now.lead && cursor.xkey === now.xkey) return;
  now = cursor;
  owner = cursor ? me : null;
  copy = cursor ? copying : null;
  for (const listener of listeners) listener();
}

export function onCursor(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether a chart has values under its cursor that may be copied. */
export function canCopy(): boolean {
  return copy !== null;
}

export function copyUnderCursor(): void {
  void copy?.();
}
