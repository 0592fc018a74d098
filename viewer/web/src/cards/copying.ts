import { spelled } from "./pins";
import { pins } from "./settings";

/** Many pins are kept by this browser, under a mark that means nothing to another. */
export function copyPins(): void {
  const params = new URLSearchParams(location.hash.slice(1));
  params.delete(pins.key);
  for (const one of spelled(pins.value)) params.append(pins.key, one);
  void navigator.clipboard?.writeText(`${location.href.split("#")[0]}#${params.toString()}`);
}
