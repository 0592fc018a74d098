import type { Ink } from "../chart/ink";

export type Choice = "system" | "dark" | "light";
export type Shade = "dark" | "light";

const KEY = "tallyboard.theme";

function stored(): Choice {
  try {
    const choice = localStorage.getItem(KEY);
    return choice === "dark" || choice === "light" ? choice : "system";
  } catch {
    return "system";
  }
}

function store(choice: Choice): void {
  try {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
}

export class Theme {
  choice = $state<Choice>(stored());
  #system = $state<Shade>("light");
  readonly shade = $derived<Shade>(this.choice === "system" ? this.#system : this.choice);
  /** Colours for canvases, read once a theme from the tokens. */
  ink = $state.raw<Ink>({ grid: "", axis: "", label: "", text: "", panel: "", accent: "", bad: "", dark: false });

  constructor() {
    const query = matchMedia("(prefers-color-scheme: dark)");
    this.#system = query.matches ? "dark" : "light";
    query.addEventListener("change", () => {
      this.#system = query.matches ? "dark" : "light";
      this.#apply();
    });
    this.#apply();
  }

  set(choice: Choice): void {
    this.choice = choice;
    store(choice);
    this.#apply();
  }

  /** Dark to light and back, whatever the system says. */
  flip(): void {
    this.set(this.shade === "dark" ? "light" : "dark");
  }

  /** From the system's choice to its opposite, to its like, and back to the system's. */
  next(): Choice {
    if (this.choice === "system") return this.#system === "dark" ? "light" : "dark";
    return this.choice === this.#system ? "system" : this.#system;
  }

  // The attribute changes here and not in an effect: charts that redraw because `ink`
  // changed would otherwise still read the tokens of the theme before.
  #apply(): void {
    document.documentElement.dataset["theme"] = this.shade;
    const style = getComputedStyle(document.documentElement);
    const token = (name: string): string => style.getPropertyValue(name).trim();
    this.ink = {
      grid: token("--grid"),
      axis: token("--outline"),
      label: token("--ink3"),
      text: token("--ink"),
      panel: token("--panel"),
      accent: token("--accent"),
      bad: token("--bad"),
      dark: this.shade === "dark",
    };
  }
}
