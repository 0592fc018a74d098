import { describe, expect, test } from "vitest";
import tokens from "../src/app/tokens.css?raw";
import { HUES, hueColour } from "../src/chart/palette";
import { drawnHues, lastingHues } from "../src/data/hues";
import { apart, contrast, DEUTERANOPIA, NORMAL, PROTANOPIA } from "./vision";

/** The semantic tokens of one theme, each as the hex colour that it ends at. */
function themeOf(name: "light" | "dark"): Record<string, string> {
  const blocks = [...tokens.matchAll(/([^{}]*)\{([^}]*)\}/g)].map(([, selector, body]) => ({ selector, body }));
  const palette = blocks[0].body;
  const semantic = blocks.find(({ selector }) => selector.includes(`data-theme="${name}"`))?.body ?? "";
  const read = (css: string): [string, string][] => [...css.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, key, value]) => [key, value]);
  const colours = new Map(read(palette));
  return Object.fromEntries(
    read(semantic).map(([key, value]) => [key, value.replace(/^var\(--([\w-]+)\)$/, (_, colour: string) => colours.get(colour) ?? "")]),
  );
}

describe.each(["light", "dark"] as const)("the %s theme", (name) => {
  const theme = themeOf(name);
  const grounds = ["bg", "panel", "raise"];
  const texts = ["ink", "ink2", "ink3", "accent", "ok", "warn", "bad"];

  test.each(texts.flatMap((text) => grounds.map((ground) => [text, ground])))("has %s text on %s at 4.5:1 or more", (text, ground) => {
    expect(contrast(theme[text], theme[ground])).toBeGreaterThanOrEqual(4.5);
  });

  test("has text on its accent at 4.5:1 or more", () => {
    expect(contrast(theme["on-accent"], theme["accent"])).toBeGreaterThanOrEqual(4.5);
  });

  test.each(HUES.map(({ name: hue }, i) => [hue, i] as const))("shows the line colour %s at 3:1 or more on its panel", (_, hue) => {
    expect(contrast(hueColour(hue, name === "dark"), theme["panel"])).toBeGreaterThanOrEqual(3);
  });

  test.each([
    ["normal", NORMAL, 0.12],
    ["deuteranopic", DEUTERANOPIA, 0.07],
    ["protanopic", PROTANOPIA, 0.07],
  ] as const)("keeps line colours apart for %s eyes", (_, eyes, least) => {
    const colours = HUES.map((_, hue) => hueColour(hue, name === "dark"));
    for (let i = 0; i < colours.length; i++) {
      for (let j = 0; j < i; j++) expect(apart(colours[i], colours[j], eyes), `${colours[i]} ${colours[j]}`).toBeGreaterThanOrEqual(least);
    }
  });
});

describe("the hue of a run", () => {
  const names = Array.from({ length: 25 }, (_, i) => `lr=${i}`);

  test("is shared by nobody among ten runs and by at most three among 25", () => {
    expect(new Set(lastingHues(names.slice(0, 10), 10).values()).size).toBe(10);
    const uses = new Map<number, number>();
    for (const hue of lastingHues(names, 10).values()) uses.set(hue, (uses.get(hue) ?? 0) + 1);
    expect(Math.max(...uses.values())).toBe(3);
  });

  test("stays when later runs come", () => {
    const few = lastingHues(names.slice(0, 7), 10);
    const all = lastingHues(names, 10);
    for (const [run, hue] of few) expect(all.get(run)).toBe(hue);
  });

  test("of a lone run depends on its name only", () => {
    expect(lastingHues(["lr=3"], 10).get("lr=3")).toBe(lastingHues(["lr=3"], 10).get("lr=3"));
    const hues = new Set(names.map((name) => lastingHues([name], 10).get(name)));
    expect(hues.size).toBeGreaterThan(5);
  });

  test("moves for a drawn run only while another drawn run has it and one is free", () => {
    const lasting = lastingHues(names, 10);
    const [first, second] = names.filter((name) => lasting.get(name) === lasting.get(names[0]));
    const drawn = drawnHues(lasting, [first, second], 10);
    expect(drawn.get(first)).toBe(lasting.get(first));
    expect(drawn.get(second)).not.toBe(lasting.get(second));
    expect(drawnHues(lasting, [second], 10).get(second)).toBe(lasting.get(second));
    expect(new Set(names.slice(0, 11).map((name) => drawnHues(lasting, names, 10).get(name))).size).toBe(10);
  });
});
