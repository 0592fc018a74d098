import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { blockingScript } from "./build/blocking-script.ts";
import { budget } from "./build/budget.ts";
import { early } from "./build/early.ts";
import { licences } from "./build/licences.ts";
import { modernFonts } from "./build/modern-fonts.ts";

export default defineConfig({
  base: "./",
  plugins: [
    // Class names as short as can be: they stand in every element.
    svelte({ compilerOptions: { cssHash: ({ hash, css }) => `s${hash(css).slice(0, 4)}` } }),
    blockingScript("src/app/theme-first.js"),
    modernFonts(),
    early("src/dash/scalars/index.ts"),
    licences("THIRD_PARTY_LICENSES.txt"),
    budget({ kilobytes: 80, entries: ["src/app/main.ts", "src/dash/scalars/index.ts"] }),
  ],
  // `npm run dev` shows the page as it is edited, with the data of a viewer beside it.
  server: { proxy: { "/api": "http://localhost:6006" } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // A data: address would be refused by the server's Content-Security-Policy.
    assetsInlineLimit: 0,
    // The shell and the bundler's few lines of runtime come with the page: no list of what a dashboard needs has to name them.
    modulePreload: { polyfill: false, resolveDependencies: (_, deps) => deps.filter((name) => !/rolldown-runtime|\bindex-[\w-]+\.\w+$/.test(name)) },
    // What the page starts with is one file, and what a dashboard starts with another: each compresses as a whole.
    rolldownOptions: {
      output: {
        // Names of files are what compresses least of the shell.
        hashCharacters: "hex",
        entryFileNames: "assets/[name]-[hash:7].js",
        chunkFileNames: "assets/[name]-[hash:7].js",
        assetFileNames: "assets/[name]-[hash:7][extname]",
        codeSplitting: {
          groups: [
            { name: "shell", tags: ["$initial"], priority: 2 },
            // The projector and meshes fetch it, each when there is something to draw.
            { name: "three", test: /node_modules\/three\//, priority: 0.6 },
            // What dashboards share comes with the one that is opened first as a rule.
            { name: "scalars", test: /dash\/scalars\/index\.ts$/, priority: 1 },
            // The run list and the tooltip fetch these: what they share with a dashboard shall not bring that along.
            { name: "ColourBy", test: /runs\/ColourBy\.svelte$/, priority: 0.5 },
            { name: "rows", test: /chart\/rows\.ts$/, priority: 0.5 },
            { name: "TipTable", test: /chart\/TipTable\.svelte$/, priority: 0.5 },
            { name: "runs", test: /app\/runs\//, minShareCount: 2, priority: 0.45 },
            { name: "Nothing", test: /cards\/Nothing\.svelte$/, priority: 0.5 },
            // What views of profiles share comes with their frame.
            { name: "profiles", test: /dash\/profiles\/[^/]+$/, priority: 0.48 },
            // Otherwise it would come with some dashboard, and with it all of that.
            { name: "shared", test: /^(?!.*dash\/profiles\/)/, minShareCount: 2, priority: 0.4 },
            // What some views of profiles share; in there it would bring the frame along wherever anything is shared.
            { name: "tables", test: /dash\/profiles\/tables\//, priority: 0.38 },
            { name: (id) => /dash\/(\w+)\/index\.ts$/.exec(id)?.[1] ?? null },
          ],
        },
      },
    },
  },
  // Vitest would otherwise resolve Svelte's server build, which cannot mount.
  resolve: process.env["VITEST"] ? { conditions: ["browser"] } : {},
  test: {
    include: ["tests/**/*.test.ts"],
    // The tokens are read as text; other styles have nothing to say in a test.
    css: { include: /tokens\.css/ },
    testTimeout: 30_000,
    // Wall-clock ticks are asserted in a zone that has daylight saving.
    env: { TZ: "Europe/Berlin" },
  },
});
