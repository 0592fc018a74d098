import katex from "katex";
import "katex/dist/katex.min.css";

/**
 * Sets the formulas that the server marked. KaTeX makes elements of its own out of text, and may make no links, load no
 * pictures and give no names; what it cannot set stays as it was written.
 */
export function setFormulas(root: HTMLElement): void {
  for (const code of root.querySelectorAll<HTMLElement>("code.tex")) {
    const set = document.createElement("span");
    const displayMode = code.classList.contains("display");
    set.className = displayMode ? "formula display" : "formula";
    try {
      katex.render(code.textContent ?? "", set, { displayMode, trust: false, strict: "ignore", maxSize: 20, maxExpand: 300 });
      code.replaceWith(set);
    } catch (error) {
      code.classList.add("unset");
      code.title = error instanceof Error ? error.message : String(error);
    }
  }
}
