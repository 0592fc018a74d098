import type { About } from "../../app/dashboards";

export default {
  title: "Graphs",
  key: "g",
  order: 35,
  plugins: ["graphs", "graph_run_metadata_graph", "graph_keras_model"],
} satisfies About;
