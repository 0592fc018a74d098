export { default } from "./Diff.svelte";
