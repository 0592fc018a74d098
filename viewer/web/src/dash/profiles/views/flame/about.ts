import type { ViewAbout } from "../../views";

export default { title: "Flame graph", order: 20 } satisfies ViewAbout;
