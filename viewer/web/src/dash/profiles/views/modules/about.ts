import type { ViewAbout } from "../../views";

export default { title: "Modules", order: 40, shows: ({ has, source }) => has.modules || (source !== "torch" && source !== "") } satisfies ViewAbout;
