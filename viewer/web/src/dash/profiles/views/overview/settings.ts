/** How the overview counts: the address keeps it. */
import { choice, setting } from "../../../../app/setting.svelte";

export const COUNTS = ["ours", "tb_plugin"] as const;
/** The breakdown as tallyboard counts it, or as PyTorch's TensorBoard plugin did. */
export const counted = setting<(typeof COUNTS)[number]>("pfcount", choice(COUNTS), "ours");
export const MIDDLES = ["mean", "median"] as const;
export const middle = setting<(typeof MIDDLES)[number]>("pfmid", choice(MIDDLES), "mean");
