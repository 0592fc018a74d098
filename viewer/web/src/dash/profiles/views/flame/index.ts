export { default } from "./Flame.svelte";
