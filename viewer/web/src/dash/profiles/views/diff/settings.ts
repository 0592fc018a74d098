/** What a profile is compared with: the address keeps it. */
import { choice, setting, text } from "../../../../app/setting.svelte";

/** The run and the trace of the baseline; another profile than the one that is looked at where empty. */
export const baseRun = setting("pfbase", text, "");
export const baseTrace = setting("pfbasetrace", text, "");
export const table = setting("pfdiff", choice(["operators", "kernels"] as const), "operators");
