// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { changedKeys, Trail } from "../src/app/trail";

/** A browser's history without a browser. */
class Entries {
  list: string[];
  at = 0;
  calls = 0;

  constructor(hash = "") {
    this.list = [hash];
  }

  get hash(): string {
    return this.list[this.at];
  }

  push(hash: string): void {
    this.calls++;
    this.list.splice(++this.at, Infinity, hash);
  }

  replace(hash: string): void {
    this.calls++;
    this.list[this.at] = hash;
  }

  go(by: number): void {
    this.at += by;
    dispatchEvent(new PopStateEvent("popstate"));
  }
}

describe("the trail of what a person did", () => {
  let leave = (): void => undefined;
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => {
    leave();
    vi.useRealTimers();
    document.body.innerHTML = "";
  });

  function started(hash = ""): { entries: Entries; trail: Trail; restored: string[] } {
    const entries = new Entries(hash);
    const restored: string[] = [];
    const trail = new Trail(entries, (back) => restored.push(back));
    leave = trail.start();
    return { entries, trail, restored };
  }

  function click(trail: Trail, hash: string): void {
    dispatchEvent(new Event("pointerdown"));
    trail.note(hash);
    vi.advanceTimersByTime(200);
  }

  function slide(trail: Trail, hash: string, wait = 200): void {
    document.body.innerHTML ||= "<input type=range>";
    document.querySelector("input")?.dispatchEvent(new Event("input", { bubbles: true }));
    trail.note(hash);
    vi.advanceTimersByTime(wait);
  }

  test("has an entry for each step", () => {
    const { entries, trail } = started();
    click(trail, "x=wall");
    click(trail, "x=wall&y=log");
    click(trail, "x=wall");
    expect(entries.list).toEqual(["", "x=wall", "x=wall&y=log", "x=wall"]);
  });

  test("has one entry for all of a stroke, and another one after a rest or for something else", () => {
    const { entries, trail } = started();
    slide(trail, "smoothing=0.5");
    slide(trail, "smoothing=0.4");
    slide(trail, "smoothing=0.3", 5_000);
    slide(trail, "smoothing=0.2");
    slide(trail, "smoothing=0.2&runs=a");
    slide(trail, "smoothing=0.2&runs=ab");
    expect(entries.list).toEqual(["", "smoothing=0.3", "smoothing=0.2", "smoothing=0.2&runs=ab"]);
  });

  test("has no entry for what the page changed by itself", () => {
    const { entries, trail } = started("y=log&x=wall");
    trail.note("x=wall&y=log");
    vi.advanceTimersByTime(200);
    trail.note("x=wall&y=log&pins=1");
    vi.advanceTimersByTime(200);
    expect(entries.list).toEqual(["x=wall&y=log&pins=1"]);
  });

  test("has an entry for each of two steps that follow at once, and one for a drag that ends after the page's own change", () => {
    const { entries, trail } = started();
    dispatchEvent(new Event("pointerdown"));
    trail.note("brush=a");
    dispatchEvent(new Event("pointerdown"));
    trail.note("brush=a&late=1");
    vi.advanceTimersByTime(200);
    dispatchEvent(new Event("pointerup"));
    trail.note("brush=ab&late=1");
    vi.advanceTimersByTime(200);
    expect(entries.list).toEqual(["", "brush=a", "brush=a&late=1", "brush=ab&late=1"]);
  });

  test("has one entry for a double click, and two for presses in two places", () => {
    const { entries, trail } = started();
    const press = (x: number, hash: string): void => {
      dispatchEvent(new MouseEvent("pointerdown", { clientX: x, clientY: 5 }));
      trail.note(hash);
    };
    press(10, "a=1");
    press(12, "a=2");
    press(40, "a=3");
    vi.advanceTimersByTime(200);
    expect(entries.list).toEqual(["", "a=2", "a=3"]);
  });

  test("leads back and forth, and on from where it was left", () => {
    const { entries, trail, restored } = started();
    click(trail, "x=wall");
    click(trail, "x=relative");
    entries.go(-1);
    entries.go(-1);
    entries.go(1);
    expect(restored).toEqual(["x=wall", "", "x=wall"]);
    trail.note("x=wall");
    vi.advanceTimersByTime(200);
    expect(entries.list).toEqual(["", "x=wall", "x=relative"]);
    click(trail, "y=log");
    expect(entries.list).toEqual(["", "x=wall", "y=log"]);
  });

  test("forgets what was not saved yet when the person goes back", () => {
    const { entries, trail } = started();
    click(trail, "x=wall");
    dispatchEvent(new Event("pointerdown"));
    trail.note("x=relative");
    entries.go(-1);
    vi.advanceTimersByTime(1_000);
    expect([entries.hash, entries.list]).toEqual(["", ["", "x=wall"]]);
  });

  test("never changes the address a hundred times in half a minute, and ends with what was last", () => {
    const { entries, trail } = started();
    for (let i = 1; i <= 140; i++) click(trail, `n=${i}`);
    expect(entries.calls).toBe(80);
    vi.advanceTimersByTime(30_000);
    expect(entries.calls).toBeLessThan(170);
    expect(entries.hash).toBe("n=140");
  });

  test("knows what changed in whatever order it stands", () => {
    expect([...changedKeys("a=1&b=2&b=3", "b=3&b=2&a=2&c=1")]).toEqual(["a", "c"]);
  });
});
