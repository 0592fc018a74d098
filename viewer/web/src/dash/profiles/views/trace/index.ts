export { default } from "./Trace.svelte";
