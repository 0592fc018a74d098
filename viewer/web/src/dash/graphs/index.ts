export { default } from "./Graphs.svelte";
