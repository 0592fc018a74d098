import type { About } from "../../app/dashboards";

export default { title: "Meshes", key: "m", order: 60, plugins: ["mesh"] } satisfies About;
