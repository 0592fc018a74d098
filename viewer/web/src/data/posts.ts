/** What a tab says to the newsroom, and what it hears. */
export type Ask = { ask: "follow"; url: string; since: number } | { ask: "leave" } | { ask: "there?" };
export type Tell = { tell: "hello" } | { tell: "change"; data: string } | { tell: "error" } | { tell: "here" };

/** How often a tab asks whether the newsroom is there, which tells the newsroom that the tab is. */
export const ROUND_MS = 3_000;
/** Questions in a row that a newsroom may leave unanswered: few, once it has said anything; more while it may still start. */
export const UNANSWERED = 2;
export const UNANSWERED_AT_FIRST = 5;
/** Rounds without a question after which a tab counts as gone. */
export const SILENT_ROUNDS = 15;
