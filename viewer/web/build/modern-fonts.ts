import type { Plugin } from "vite";

/** Leaves out of KaTeX's styles the older formats of its fonts: every browser that runs the page reads woff2. */
export function modernFonts(): Plugin {
  return {
    name: "tallyboard:modern-fonts",
    enforce: "pre",
    transform(code, id) {
      if (!/katex[^/]*\.css$/.test(id)) return null;
      return { code: code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\("(?:woff|truetype)"\)/g, ""), map: null };
    },
  };
}
