import type { About } from "../../app/dashboards";

export default { title: "Profiles", key: "r", order: 37, plugins: ["profile"] } satisfies About;
