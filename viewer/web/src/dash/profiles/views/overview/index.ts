export { default } from "./Overview.svelte";
