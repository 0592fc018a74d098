import type { ViewAbout } from "../../views";

export default { title: "XLA", order: 45, shows: ({ source }) => source === "jax" || source === "tensorflow" } satisfies ViewAbout;
