export { default } from "./Hlo.svelte";
