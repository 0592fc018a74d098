import type { ViewAbout } from "../../views";

export default { title: "Memory", order: 50 } satisfies ViewAbout;
