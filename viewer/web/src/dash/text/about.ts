import type { About } from "../../app/dashboards";

export default { title: "Text", key: "t", order: 30, plugins: ["text", "html", "plotly"] } satisfies About;
