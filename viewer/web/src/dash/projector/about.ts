import type { About } from "../../app/dashboards";

export default { title: "Projector", key: "p", order: 45, plugins: ["projector"] } satisfies About;
