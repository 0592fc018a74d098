import { describe, expect, it } from "vitest";
import { choice, flag, json, number, Settings, text, texts } from "../src/app/setting.svelte";

const NONE: ReadonlySet<string> = new Set();

function written(settings: Settings): string {
  const params = new URLSearchParams();
  settings.write(params);
  return params.toString();
}

describe("settings", () => {
  it("leave out of the address what has its usual value", () => {
    const settings = new Settings();
    const bands = settings.declare("bands", flag, true);
    const size = settings.declare("size", number(1, 9), 3);
    expect(written(settings)).toBe("");
    bands.value = false;
    size.value = 5;
    expect(written(settings)).toBe("bands=0&size=5");
    bands.reset();
    expect(written(settings)).toBe("size=5");
  });

  it("come back from the address as they were", () => {
    const settings = new Settings();
    const isPair = (value: unknown): value is [number, number] => Array.isArray(value) && value.length === 2;
    const all = [
      settings.declare("name", text, ""),
      settings.declare("kind", choice(["a", "b"]), "a"),
      settings.declare("pins", texts, []),
      settings.declare<[number, number]>("range", json(isPair), [0, 1]),
    ] as const;
    [all[0].value, all[1].value, all[2].value, all[3].value] = ["x&y=<b>", "b", ["p/1", "p/2"], [2, 3]];
    const address = written(settings);
    for (const setting of all) setting.reset();
    settings.read(new URLSearchParams(address), NONE);
    expect(all.map((setting) => setting.value)).toEqual(["x&y=<b>", "b", ["p/1", "p/2"], [2, 3]]);
  });

  it("keep their usual value where the address makes no sense", () => {
    const settings = new Settings();
    const size = settings.declare("size", number(1, 9), 3);
    const kind = settings.declare("kind", choice(["a", "b"]), "a");
    const on = settings.declare("on", flag, false);
    settings.read(new URLSearchParams("size=big&kind=c&on=yes"), NONE);
    expect([size.value, kind.value, on.value]).toEqual([3, "a", false]);
    settings.read(new URLSearchParams("size=99"), NONE);
    expect(size.value).toBe(9);
  });

  it("wait in the address for the code that declares them", () => {
    const settings = new Settings();
    settings.read(new URLSearchParams("dash=x&late=7"), new Set(["dash"]));
    expect(written(settings)).toBe("late=7");
    expect(settings.declare("late", number(), 0).value).toBe(7);
    expect(written(settings)).toBe("late=7");
  });

  it("have one key each", () => {
    const settings = new Settings();
    settings.declare("size", number(), 0);
    expect(() => settings.declare("size", number(), 0)).toThrow("two settings are called size");
  });
});
