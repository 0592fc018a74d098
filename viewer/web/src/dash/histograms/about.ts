import type { About } from "../../app/dashboards";

export default { title: "Histograms", key: "h", order: 10, plugins: ["histograms"] } satisfies About;
