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
