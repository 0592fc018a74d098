export { default } from "./Memory.svelte";
