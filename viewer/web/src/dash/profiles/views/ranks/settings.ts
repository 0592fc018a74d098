/** What of processes that train together is looked at: the address keeps it. */
import { choice, setting, text } from "../../../../app/setting.svelte";

/** The step, "" for the mean of all. */
export const step = setting("pfstep", text, "");
/** Whose way of telling computation and communication apart. */
export const counted = setting("pfrankcount", choice(["ours", "tb_plugin"] as const), "ours");
export const table = setting("pfranks", choice(["operations", "collectives", "stragglers"] as const), "operations");
