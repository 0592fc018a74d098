/** What a person can set of all charts at once, beyond the axes: the address keeps it. */
import { actions } from "./actions";
import { flag, setting } from "./setting.svelte";

/** Outliers are left out of the height of charts. */
export const trim = setting("trim", flag, false);

actions.register({
  keys: ["o"],
  does: "Leave outliers out of the height",
  group: "Charts",
  run: () => (trim.value = !trim.value),
});
