import type { ViewAbout } from "../../views";

export default { title: "Distributed", order: 60, shows: ({ has, world }) => has.communication || (world ?? 1) > 1 } satisfies ViewAbout;
