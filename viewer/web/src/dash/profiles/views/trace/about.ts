import type { ViewAbout } from "../../views";

export default { title: "Trace", order: 10 } satisfies ViewAbout;
