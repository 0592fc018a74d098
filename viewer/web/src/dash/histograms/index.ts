export { default } from "./Histograms.svelte";
