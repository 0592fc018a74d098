import type { About } from "../../app/dashboards";

export default { title: "HParams", key: "y", order: 40, plugins: ["hparams"] } satisfies About;
