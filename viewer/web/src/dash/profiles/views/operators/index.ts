export { default } from "./Operators.svelte";
