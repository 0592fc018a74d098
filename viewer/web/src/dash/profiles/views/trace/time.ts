import { timeText as even } from "../../numbers";

/** 12.3 ms, of microseconds: at most so many digits, and no zeros at the end. */
export const timeText = (microseconds: number, digits = 3): string =>
  even(microseconds, digits)
    .replace(/(\.\d*?)0+(?= )/, "$1")
    .replace(/\.(?= )/, "");
