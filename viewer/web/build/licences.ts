import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

interface Manifest {
  name?: string;
  version?: string;
  license?: string;
}

function packageRoot(moduleId: string): string | null {
  const path = moduleId.replace(/^\0/, "").replace(/\?.*$/, "");
  if (!path.includes("/node_modules/")) return null;
  for (let folder = dirname(path); folder.includes("/node_modules/"); folder = dirname(folder)) {
    const file = join(folder, "package.json");
    // Nested package.json files without a version only set the module type.
    if (existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as Manifest).version) return folder;
  }
  return null;
}

function entry(root: string): string {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
  const file = readdirSync(root).find((name) => /^licen[cs]e(\.(md|txt))?$/i.test(name));
  if (!file) throw new Error(`licences: ${manifest.name} ships no licence text; add it by hand or drop the package`);
  const text = readFileSync(join(root, file), "utf8").trim();
  return `${manifest.name} ${manifest.version} (${manifest.license ?? "see text"})\n\n${text}\n`;
}

/** Writes the licence of every package whose code is in the bundle into one file beside it. */
export function licences(fileName: string): Plugin {
  return {
    name: "tallyboard:licences",
    apply: "build",
    generateBundle(_, bundle) {
      const roots = new Set<string>();
      for (const item of Object.values(bundle)) {
        if (item.type !== "chunk") continue;
        for (const [id, module] of Object.entries(item.modules)) {
          const root = module.renderedLength > 0 ? packageRoot(id) : null;
          if (root) roots.add(root);
        }
      }
      const rule = `${"-".repeat(78)}\n`;
      const head = "The page of tallyboard contains code of these packages.\n";
      this.emitFile({ type: "asset", fileName, source: [head, ...[...roots].sort().map(entry)].join(rule) });
    },
  };
}
