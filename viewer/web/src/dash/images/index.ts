export { default } from "./Images.svelte";
