import { Pattern } from "../../app/runs/regex";
import type { Model } from "./model";

export interface Search {
  test: (text: string) => boolean;
  error: string;
}

/** What was typed, as a test of names; a regex runs in bounded time, and a broken one finds nothing and says why. */
export function searchOf(typed: string, regex: boolean): Search {
  if (!regex) {
    const wanted = typed.toLowerCase();
    return { test: (text) => text.toLowerCase().includes(wanted), error: "" };
  }
  try {
    const pattern = new Pattern(typed);
    return { test: (text) => pattern.test(text), error: "" };
  } catch (error) {
    return { test: () => false, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Nodes and namespaces whose name, or whose op, fits; namespaces by the end of their names alone, lest all within follows. */
export function matches(model: Model, search: Search): number[] {
  const found: number[] = [];
  const walk = [model.root];
  for (let id = walk.pop(); id !== undefined; id = walk.pop()) {
    const fits = id === model.root ? false : id >= model.n ? search.test(model.label[id]) : search.test(model.name[id]) || search.test(model.data.op[id]);
    if (fits) found.push(id);
    const children = model.children(id);
    for (let i = children.length - 1; i >= 0; i--) walk.push(children[i]);
  }
  return found;
}
