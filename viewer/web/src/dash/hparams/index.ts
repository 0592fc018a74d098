export { default } from "./HParams.svelte";
