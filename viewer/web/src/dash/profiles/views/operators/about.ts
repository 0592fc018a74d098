import type { ViewAbout } from "../../views";

export default { title: "Operators", order: 30, shows: ({ has }) => has.operators } satisfies ViewAbout;
