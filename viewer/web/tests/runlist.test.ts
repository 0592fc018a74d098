// @vitest-environment jsdom
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import RunList, { type Row } from "../src/ui/RunList.svelte";

function rows(count: number): Row[] {
  return Array.from({ length: count }, (_, i) => ({ name: `run ${i}`, on: i % 2 === 0, colour: "#3a7ef9", warnings: [] }));
}

describe("the run list", () => {
  const seen = { ontick: vi.fn(), onsolo: vi.fn(), onpoint: vi.fn() };
  let component: object | undefined;

  function show(items: Row[]): HTMLElement {
    component = mount(RunList, { target: document.body, props: { rows: items, skip: 0, filter: "", ...seen } });
    flushSync();
    return document.body;
  }

  function box(name: string): HTMLInputElement {
    const found = document.querySelector<HTMLInputElement>(`input[aria-label="${name}"]`);
    if (!found) throw new Error(`no checkbox for ${name}`);
    return found;
  }

  beforeEach(() => {
    vi.clearAllMocks();
    // jsdom lays nothing out and has no such class; the list then goes by its guess of a height.
    vi.stubGlobal("ResizeObserver", class {
      observe(): void {}
      unobserve(): void {}
      disconnect(): void {}
    });
  });
  afterEach(async () => {
    if (component) await unmount(component);
    document.body.replaceChildren();
  });

  test("shows ticks and names, and tells which run was ticked", () => {
    show(rows(3));
    expect([box("run 0").checked, box("run 1").checked]).toEqual([true, false]);
    box("run 1").click();
    expect(seen.ontick).toHaveBeenCalledExactlyOnceWith("run 1", true);
  });

  test("takes a click with Alt, and a double click, for only this one", () => {
    show(rows(3));
    const label = box("run 2").closest("label");
    label?.dispatchEvent(new MouseEvent("click", { altKey: true, bubbles: true, cancelable: true }));
    label?.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    expect(seen.onsolo.mock.calls).toEqual([["run 2"], ["run 2"]]);
    expect(seen.ontick).not.toHaveBeenCalled();
  });

  test("holds few rows of thousands in the page, and says how many there are", () => {
    const body = show(rows(5_000));
    const items = body.querySelectorAll("li");
    expect(items.length).toBeLessThan(100);
    expect(items[0].getAttribute("aria-setsize")).toBe("5000");
    expect(body.querySelector("ul")?.style.height).toBe(`${5_000 * 28}px`);
  });

  test("shows other rows after scrolling", () => {
    const body = show(rows(5_000));
    const scroller = body.querySelector("ul")?.parentElement as HTMLElement;
    scroller.scrollTop = 28 * 1_000;
    scroller.dispatchEvent(new Event("scroll"));
    flushSync();
    expect(box("run 1000")).toBeTruthy();
    expect(document.querySelector('input[aria-label="run 0"]')).toBeNull();
  });

  test("gives a badge, with the message, only to runs with warnings", () => {
    const items = rows(2);
    items[1] = { ...items[1], warnings: [{ kind: "crc", count: 2, message: "A record was skipped." }] };
    const body = show(items);
    const badges = body.querySelectorAll("button");
    expect(badges.length).toBe(1);
    expect(badges[0].getAttribute("aria-label")).toBe("Warnings of run 1");
    expect(badges[0].title).toBe("A record was skipped. (2×)");
  });

  test("tells which run the pointer is over", () => {
    show(rows(2));
    const row = box("run 1").closest(".row");
    row?.dispatchEvent(new Event("pointerenter"));
    row?.dispatchEvent(new Event("pointerleave"));
    expect(seen.onpoint.mock.calls).toEqual([["run 1"], [null]]);
  });
});

describe("the rows of a tree", () => {
  const seen = { ontick: vi.fn(), onsolo: vi.fn(), onpoint: vi.fn(), onfold: vi.fn() };
  let component: object | undefined;
  const common = { colour: "#3a7ef9", warnings: [] };
  const tree: Row[] = [
    { name: "a", key: "a/\0", label: "a", depth: 0, on: false, ...common, folder: { open: true, count: 2, some: true } },
    { name: "a/x", label: "x", depth: 1, on: true, ...common },
    { name: "a/y", label: "y", depth: 1, on: false, ...common },
    { name: "b", key: "b/\0", label: "b", depth: 0, on: true, ...common, folder: { open: false, count: 3, some: false } },
    { name: "beta", label: "beta", depth: 0, on: true, ...common },
  ];

  function box(name: string): HTMLInputElement {
    const found = document.querySelector<HTMLInputElement>(`input[aria-label="${name}"]`);
    if (!found) throw new Error(`no checkbox for ${name}`);
    return found;
  }

  async function press(key: string): Promise<string | null> {
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await new Promise((done) => setTimeout(done));
    flushSync();
    return document.activeElement?.getAttribute("aria-label") ?? null;
  }

  beforeEach(() => {
    vi.clearAllMocks();
    vi.stubGlobal("ResizeObserver", class {
      observe(): void {}
      unobserve(): void {}
      disconnect(): void {}
    });
    component = mount(RunList, { target: document.body, props: { rows: tree, skip: 0, filter: "", ...seen } });
    flushSync();
  });
  afterEach(async () => {
    if (component) await unmount(component);
    document.body.replaceChildren();
  });

  test("say of a folder how many runs it has and whether some or all are ticked", () => {
    expect([box("a/: 2 runs").checked, box("a/: 2 runs").indeterminate]).toEqual([false, true]);
    expect([box("b/: 3 runs").checked, box("b/: 3 runs").indeterminate]).toEqual([true, false]);
    box("b/: 3 runs").click();
    expect(seen.ontick).toHaveBeenCalledExactlyOnceWith("b/\0", false);
  });

  test("fold by their arrow", () => {
    document.querySelector<HTMLElement>('button[aria-label="Unfold b"]')?.click();
    expect(seen.onfold).toHaveBeenCalledExactlyOnceWith("b");
  });

  test("let one be reached by Tab, and the others by keys from there", async () => {
    expect([...document.querySelectorAll('input[tabindex="0"]')].map((input) => input.getAttribute("aria-label"))).toEqual(["a/: 2 runs"]);
    box("a/: 2 runs").focus();
    expect(await press("ArrowDown")).toBe("a/x");
    expect(await press("End")).toBe("beta");
    expect(await press("ArrowUp")).toBe("b/: 3 runs");
    expect(await press("Home")).toBe("a/: 2 runs");
    expect(await press("ArrowRight")).toBe("a/x");
    expect(await press("ArrowLeft")).toBe("a/: 2 runs");
    expect(seen.onfold).not.toHaveBeenCalled();
    await press("ArrowLeft");
    expect(seen.onfold).toHaveBeenCalledExactlyOnceWith("a");
  });

  test("are sought by their first letters, but not after a click, when letters are the page's shortcuts", async () => {
    box("a/: 2 runs").focus();
    await press("ArrowDown");
    expect(await press("b")).toBe("b/: 3 runs");
    expect(await press("e")).toBe("beta");
    expect(await press("Enter")).toBe("beta");
    expect(seen.onsolo).toHaveBeenCalledExactlyOnceWith("beta");
    document.activeElement?.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    expect(await press("y")).toBe("beta");
  });
});
