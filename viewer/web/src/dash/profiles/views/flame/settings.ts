/** What a flame graph is of: the address keeps it. The window of time is `window` of the dashboard. */
import { choice, flag, setting, text, texts } from "../../../../app/setting.svelte";

/** Whose time is added up. */
export const by = setting<"host" | "device">("pffby", choice(["host", "device"]), "host");
/** Below the stacks that were recorded with operators. */
export const stacks = setting("pffstacks", flag, false);
/** Of what: "" for all, "window" for the window of the trace view, otherwise a step by its number from 0. */
export const part = setting("pffpart", text, "");
/** The names from the root to the node that is as wide as the picture. */
export const root = setting("pffroot", texts, []);
export const query = setting("pffq", text, "");
