import type { About } from "../../app/dashboards";

export default { title: "Images", key: "i", order: 20, plugins: ["images"] } satisfies About;
