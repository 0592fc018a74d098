// @vitest-environment jsdom
import { afterEach, describe, expect, test, vi } from "vitest";
import { Actions } from "../src/app/actions";
import { keyNames, listenForKeys } from "../src/app/keys";

function press(key: string, init: KeyboardEventInit = {}, target: EventTarget = document.body): boolean {
  return !target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
}

describe("actions", () => {
  const complaints: unknown[] = [];
  vi.spyOn(console, "error").mockImplementation((text) => void complaints.push(text));
  let deaf = (): void => undefined;
  afterEach(() => {
    deaf();
    complaints.length = 0;
    document.body.innerHTML = "";
  });

  function heard(...keys: string[]): { actions: Actions; runs: string[] } {
    const actions = new Actions();
    const runs: string[] = [];
    for (const key of keys) actions.register({ does: `does ${key}`, group: "Page", keys: [key], run: () => runs.push(key) });
    deaf = listenForKeys(actions);
    return { actions, runs };
  }

  test("answer to their keys, and to one key after the other", () => {
    const { runs } = heard("t", "g s", "g r");
    expect([press("t"), press("g"), press("r"), press("g"), press("t"), press("s")]).toEqual([true, true, true, true, true, false]);
    expect(runs).toEqual(["t", "g r", "t"]);
  });

  test("say so when two want one key, or one that begins with the other's; the first keeps it", () => {
    const { actions, runs } = heard("t", "g s");
    actions.register({ does: "late", group: "Page", keys: ["t"], run: () => runs.push("late") });
    actions.register({ does: "later", group: "Page", keys: ["g"], run: () => runs.push("later") });
    expect(complaints).toEqual(['the key "t" of "late" belongs to "does t"', 'the key "g" of "later" belongs to "does g s"']);
    press("t");
    expect(runs).toEqual(["t"]);
  });

  test("go with the component that brought them", () => {
    const { actions, runs } = heard();
    const leave = actions.register({ does: "x", group: "Page", keys: ["x"], run: () => runs.push("x") });
    press("x");
    leave();
    expect([press("x"), runs]).toEqual([false, ["x"]]);
  });

  test("rest while they make no sense, and leave the key to the browser", () => {
    const actions = new Actions();
    let now = false;
    actions.register({ does: "x", group: "Page", keys: ["x"], run: () => undefined, when: () => now });
    deaf = listenForKeys(actions);
    expect(press("x")).toBe(false);
    now = true;
    expect(press("x")).toBe(true);
  });

  test("leave typing alone, but not chords with Ctrl or Cmd", () => {
    const { runs } = heard("t", "Mod+k");
    document.body.innerHTML = "<input type=search><input type=range><textarea></textarea>";
    const [search, range] = document.querySelectorAll("input");
    expect([press("t", {}, search), press("k", { ctrlKey: true }, search), press("K", { metaKey: true }, search)]).toEqual([false, true, true]);
    expect([press("t", {}, range), press("t", { ctrlKey: true }), press("t", { altKey: true })]).toEqual([true, false, false]);
    expect(runs).toEqual(["Mod+k", "Mod+k", "t"]);
  });

  test("come back from a list that the pointer chose from, or that Esc was pressed in, and not from one that keys walk", async () => {
    await import("../src/app/lists");
    const { runs } = heard("o");
    document.body.innerHTML = "<select><option>linear<option>log</select>";
    const [list] = document.querySelectorAll("select");
    const chosen = (): boolean => list.dispatchEvent(new Event("change", { bubbles: true }));
    list.focus();
    press("ArrowDown", {}, list);
    chosen();
    expect(document.activeElement).toBe(list);
    list.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    chosen();
    expect(document.activeElement).toBe(document.body);
    list.focus();
    press("o", {}, list);
    expect(runs).toEqual([]);
    press("Escape", {}, list);
    expect(document.activeElement).toBe(document.body);
    press("o");
    expect(runs).toEqual(["o"]);
  });

  test("have names a person knows", () => {
    expect([keyNames("g s"), keyNames("Mod+k"), keyNames("?")]).toEqual([["g", "s"], ["Ctrl K"], ["?"]]);
  });
});
