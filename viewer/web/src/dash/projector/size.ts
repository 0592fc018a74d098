/** The usual size of a point, in the sixteenths that the painter takes. */
export const USUAL_SIZE = 16;
