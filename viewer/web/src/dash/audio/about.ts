import type { About } from "../../app/dashboards";

export default { title: "Audio", key: "a", order: 40, plugins: ["audio"] } satisfies About;
