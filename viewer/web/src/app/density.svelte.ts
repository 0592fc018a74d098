const KEY = "tallyboard.density";

/** How close things stand together: the browser keeps it, as it does the theme. */
export class Density {
  compact = $state(stored());

  constructor() {
    this.#apply();
  }

  flip(): void {
    this.compact = !this.compact;
    this.#apply();
    try {
      if (this.compact) localStorage.setItem(KEY, "compact");
      else localStorage.removeItem(KEY);
    } catch {
      // Storage may be forbidden: the choice then lasts as long as the page.
    }
  }

  #apply(): void {
    if (this.compact) document.documentElement.dataset["density"] = "compact";
    else delete document.documentElement.dataset["density"];
  }
}

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) === "compact";
  } catch {
    return false;
  }
}
