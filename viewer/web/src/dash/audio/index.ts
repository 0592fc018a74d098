export { default } from "./Audio.svelte";
