import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import type { Plugin } from "vite";

/**
 * Puts a classic script at the top of the head, where it runs before the first paint.
 * It is a file of its own because the page's policy forbids inline script, and it gets a
 * content hash because everything under assets/ is served as immutable.
 */
export function blockingScript(path: string): Plugin {
  const source = readFileSync(resolve(import.meta.dirname, "..", path), "utf8");
  const hash = createHash("sha256").update(source).digest("base64url").slice(0, 8);
  const fileName = `assets/${basename(path, extname(path))}-${hash}.js`;
  let serving = false;
  return {
    name: "tallyboard:blocking-script",
    configResolved(config) {
      serving = config.command === "serve";
    },
    generateBundle() {
      this.emitFile({ type: "asset", fileName, source });
    },
    transformIndexHtml() {
      const src = serving ? `/${path}` : `./${fileName}`;
      return [{ tag: "script", attrs: { src }, injectTo: "head-prepend" }];
    },
  };
}
