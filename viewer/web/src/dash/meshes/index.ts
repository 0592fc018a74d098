export { default } from "./Meshes.svelte";
