import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

interface Limits {
  kilobytes: number;
  /** Modules whose chunks, with all that they import statically, count together. */
  entries: string[];
}

type Bundle = Rollup.OutputBundle;

function filesOf(bundle: Bundle, entries: string[]): Set<string> {
  const files = new Set<string>();
  const add = (name: string): void => {
    const chunk = bundle[name];
    if (files.has(name) || chunk?.type !== "chunk") return;
    files.add(name);
    chunk.imports.forEach(add);
    for (const css of chunk.viteMetadata?.importedCss ?? []) files.add(css);
  };
  for (const entry of entries) {
    const chunk = Object.values(bundle).find(
      (item) => item.type === "chunk" && item.moduleIds.some((id) => id.endsWith(`/${entry}`)),
    );
    if (!chunk) throw new Error(`budget: no chunk holds ${entry}`);
    add(chunk.fileName);
  }
  return files;
}

function gzipped(item: Bundle[string]): number {
  return gzipSync(item.type === "chunk" ? item.code : item.source, { level: 9 }).length;
}

/** Fails the build when what the first dashboard loads outgrows its gzipped size. */
export function budget({ kilobytes, entries }: Limits): Plugin {
  return {
    name: "tallyboard:budget",
    enforce: "post",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const sizes = [...filesOf(bundle, entries)].map((name) => [name, gzipped(bundle[name])] as const);
        const total = sizes.reduce((sum, [, size]) => sum + size, 0);
        const list = sizes.map(([name, size]) => `  ${(size / 1024).toFixed(1)} KB  ${name}`).join("\n");
        const text = `shell + scalars: ${(total / 1024).toFixed(1)} KB gzipped of ${kilobytes}\n${list}`;
        if (total > kilobytes * 1024) this.error(text);
        console.log(text);
      },
    },
  };
}
