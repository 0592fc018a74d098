import type { About } from "../../app/dashboards";

export default { title: "Video", key: "v", order: 40, plugins: ["video", "images"] } satisfies About;
