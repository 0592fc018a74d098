import source from "plotly.js-dist-min/plotly.min.js?url";
import { checked } from "../../data/api";

let fetched: Promise<string> | null = null;

/** plotly.js as a text, fetched once. */
export function plotlyText(): Promise<string> {
  fetched ??= fetch(source).then(async (response) => (await checked(response)).text());
  fetched.catch(() => (fetched = null));
  return fetched;
}
