export { default } from "./Curves.svelte";
