export { default } from "./Text.svelte";
