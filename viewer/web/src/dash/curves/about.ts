import type { About } from "../../app/dashboards";

export default { title: "Curves", key: "c", order: 40, plugins: ["pr_curves"] } satisfies About;
