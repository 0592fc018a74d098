import type { Codec } from "../app/setting.svelte";

/** Longer than this, a list of pins is kept by the browser, and the address holds only its mark. */
const LONGEST = 1_500;
const STORE = "tallyboard.pins.";
const MARK = /^#~[0-9a-f]{8}$/;

/** FNV-1a, 32 bits: two lists of one browser are unlikely to share a mark. */
function markOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `#~${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

function recalled(mark: string): string[] | null {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(STORE + mark) ?? "");
    return Array.isArray(found) && found.every((one) => typeof one === "string") ? found : null;
  } catch {
    return null;
  }
}

/** False where the browser keeps nothing. */
function kept(mark: string, pins: readonly string[]): boolean {
  try {
    localStorage.setItem(STORE + mark, JSON.stringify(pins));
    return true;
  } catch {
    return false;
  }
}

/** Pins as the address has them: each by itself, or, when they are many, the mark under which this browser keeps them. */
export const pinCodec: Codec<readonly string[]> = {
  decode: (texts) => {
    if (texts.length === 1 && MARK.test(texts[0])) return recalled(texts[0]) ?? [];
    return [...new Set(texts.filter((one) => one !== "").map((one) => (one.startsWith("#") ? one.slice(1) : one)))];
  },
  encode: (pins) => {
    const mark = markOf(JSON.stringify(pins));
    if (pins.reduce((sum, pin) => sum + pin.length + 5, 0) > LONGEST && kept(mark, pins)) return [mark];
    return spelled(pins);
  },
};

/** Every pin in full, for an address that is to work in another browser too. A "#" in front is doubled: one alone is a mark. */
export function spelled(pins: readonly string[]): string[] {
  return pins.map((pin) => (pin.startsWith("#") ? `#${pin}` : pin));
}
