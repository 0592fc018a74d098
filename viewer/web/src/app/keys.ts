export interface Key {
  /** What `KeyboardEvent.key` says. */
  keys: readonly string[];
  does: string;
  run: () => void;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "range", "radio", "button"].includes(target.type);
}

/** Listens for single keys; typing into a field and chords with Ctrl, Alt or Meta pass by. */
export function listenForKeys(keys: readonly Key[], target: Window = window): () => void {
  const listener = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const key = keys.find((entry) => entry.keys.includes(event.key));
    if (!key) return;
    event.preventDefault();
    key.run();
  };
  target.addEventListener("keydown", listener);
  return () => target.removeEventListener("keydown", listener);
}
