export { default } from "./Ranks.svelte";
