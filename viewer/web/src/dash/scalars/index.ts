export { default } from "./Scalars.svelte";
