export { default } from "./Kernels.svelte";
