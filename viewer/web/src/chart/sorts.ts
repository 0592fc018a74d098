/** The orders that the rows of a tooltip may have. */
export const SORTS = ["nearest", "descending", "ascending", "name"] as const;
