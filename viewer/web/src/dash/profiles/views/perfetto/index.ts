export { default } from "./Perfetto.svelte";
