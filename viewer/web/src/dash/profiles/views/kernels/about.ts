import type { ViewAbout } from "../../views";

export default { title: "Kernels", order: 35, shows: ({ has }) => has.device } satisfies ViewAbout;
