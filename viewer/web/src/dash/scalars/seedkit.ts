/** What drawing seeds as one line takes: fetched when somebody asks for it. */
export { seedGroups } from "./seedgroups";
export { together } from "./seeds";
export { ExactSeeds } from "./exact";
