import { ExactSeeds } from "./exact";
import { SeedLines } from "./seedlines";

/** What drawing seeds as one line takes: fetched when somebody asks for it. */
export { seedGroups } from "./seedgroups";

export const lines = (): SeedLines => new SeedLines();

/** One for the page: what it holds outlasts a new look at the groups. */
export const exact = new ExactSeeds();
