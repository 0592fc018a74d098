import type { ViewAbout } from "../../views";

export default { title: "Overview", order: 0 } satisfies ViewAbout;
