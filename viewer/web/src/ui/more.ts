/** Icons, as paths, that no part of the first page has. */
export const CHECK = "M3.5 8.5l3 3 6-7";
export const COLOUR = "M8 2.5c2.6 3 4 5 4 6.8a4 4 0 0 1-8 0c0-1.8 1.4-3.8 4-6.8M6 9.5a2 2 0 0 0 2 2";
export const FOLDS = "M4.5 6 8 2.8 11.5 6M4.5 10 8 13.2l3.5-3.2";
export const NARROW = "M3 6h3V3M13 6h-3V3M3 10h3v3M13 10h-3v3";
export const WIDEN = "M6 3H3v3M10 3h3v3M6 13H3v-3M10 13h3v-3";
