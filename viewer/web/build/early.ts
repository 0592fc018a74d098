import type { Plugin } from "vite";

/** Has the page fetch the first dashboard beside its shell, which would otherwise ask for it only once it runs. */
export function early(entry: string): Plugin {
  return {
    name: "tallyboard:early",
    enforce: "post",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle = {} }) {
        const chunk = Object.values(bundle).find((item) => item.type === "chunk" && item.moduleIds.some((id) => id.endsWith(entry)));
        if (chunk?.type !== "chunk") throw new Error(`no chunk has ${entry}`);
        const styles = [...(chunk.viteMetadata?.importedCss ?? [])];
        return [
          { tag: "link", attrs: { rel: "modulepreload", crossorigin: true, href: `./${chunk.fileName}` }, injectTo: "head" },
          ...styles.map((name) => ({
            tag: "link",
            attrs: { rel: "preload", as: "style", crossorigin: true, href: `./${name}` },
            injectTo: "head" as const,
          })),
        ];
      },
    },
  };
}
