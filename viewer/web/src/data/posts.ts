/** What a tab says to the newsroom, and what it hears. */
export type Ask = { ask: "follow"; url: string; since: number } | { ask: "leave" } | { ask: "here" };
export type Tell = { tell: "hello" } | { tell: "change"; data: string } | { tell: "error" } | { tell: "there?" };

/** How often tabs are asked whether they are there, and hear that the newsroom is. */
export const ROUND_MS = 15_000;
/** Rounds that a tab may leave unanswered, and a newsroom unasked. */
export const SILENT_ROUNDS = 3;
