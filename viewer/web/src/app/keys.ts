import type { Actions } from "./actions";

/** Longest pause between the two keys of one action. */
const PAUSE_MS = 1_500;

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "range", "radio", "button"].includes(target.type);
}

/** How a person would call the keys of an action. */
export function keyNames(keys: string): string[] {
  return keys.split(" ").map((key) => key.replace(/^Mod\+(.)$/, (_, letter: string) => `${MAC ? "⌘" : "Ctrl"} ${letter.toUpperCase()}`));
}

function named({ key, ctrlKey, metaKey }: KeyboardEvent): string {
  return ctrlKey || metaKey ? `Mod+${key.toLowerCase()}` : key;
}

/**
 * Listens for the keys of actions. While a field is typed into or a dialog is open only chords with Ctrl or Cmd
 * count, and those that no action has stay the browser's.
 */
export function listenForKeys(actions: Actions, target: Window = window): () => void {
  let before = "";
  let since = 0;
  const listener = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const name = named(event);
    if (!name.startsWith("Mod+") && (isTyping(event.target) || document.querySelector("dialog[open]"))) return;
    const second = before !== "" && event.timeStamp - since < PAUSE_MS;
    const found = (second && actions.find(`${before} ${name}`)) || actions.find(name);
    before = found === "more" ? name : "";
    since = event.timeStamp;
    if (!found) return;
    event.preventDefault();
    if (found !== "more") found.run();
  };
  target.addEventListener("keydown", listener);
  return () => target.removeEventListener("keydown", listener);
}
