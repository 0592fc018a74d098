import type { ViewAbout } from "../../views";

export default { title: "Perfetto", order: 90 } satisfies ViewAbout;
