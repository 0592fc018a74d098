export { default } from "./Modules.svelte";
