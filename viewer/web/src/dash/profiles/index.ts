export { default } from "./Profiles.svelte";
