import type { ViewAbout } from "../../views";

export default { title: "Compare", order: 70 } satisfies ViewAbout;
