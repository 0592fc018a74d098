export { default } from "./Video.svelte";
