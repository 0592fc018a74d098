import { choice, setting } from "../../../../app/setting.svelte";

/** What tells operators apart: their names, or with the shapes of their inputs. */
export const by = setting("pfby", choice(["name", "shapes"] as const), "name");
