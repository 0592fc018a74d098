import type { About } from "../../app/dashboards";

export default { title: "Scalars", key: "s", order: 0, plugins: ["scalars"] } satisfies About;
