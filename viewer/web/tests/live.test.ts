// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Live, type Change, type Link, type Source } from "../src/data/live";

class FakeSource implements Source {
  closed = false;
  #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  constructor(readonly since: number) {}

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(type, listener);
  }

  say(type: string, data: unknown = null): void {
    this.#listeners.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }

  close(): void {
    this.closed = true;
  }
}

class Stage {
  sources: FakeSource[] = [];
  links: Link[] = [];
  changes: Change[] = [];
  begins = 0;
  down = false;
  live = new Live({
    begin: () => {
      this.begins++;
      return this.down ? Promise.reject(new TypeError("refused")) : Promise.resolve(10 * this.begins);
    },
    open: (since) => {
      const source = new FakeSource(since);
      this.sources.push(source);
      return source;
    },
    onChange: (change) => this.changes.push(change),
    onLink: (link) => this.links.push(link),
  });

  get last(): FakeSource {
    const source = this.sources.at(-1);
    if (!source) throw new Error("nothing was opened");
    return source;
  }
}

describe("the live connection", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  async function started(): Promise<Stage> {
    const stage = new Stage();
    stage.live.start();
    await vi.advanceTimersByTimeAsync(0);
    return stage;
  }

  test("follows from the version that the index had, and passes changes on", async () => {
    const stage = await started();
    expect(stage.last.since).toBe(10);
    stage.last.say("hello", { version: 10, state: "ready" });
    const change: Change = { version: 11, structure: false, series: [["a", "loss", 4]] };
    stage.last.say("change", change);
    expect(stage.links).toEqual(["connecting", "connected"]);
    expect(stage.changes).toEqual([change]);
  });

  test("comes back by itself and begins anew, so that nothing in between is missed", async () => {
    const stage = await started();
    stage.last.say("hello");
    stage.last.say("error");
    expect(stage.sources[0].closed).toBe(true);
    expect(stage.links.at(-1)).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(250);
    expect(stage.sources.length).toBe(2);
    expect(stage.last.since).toBe(20);
    stage.last.say("hello");
    expect(stage.links.at(-1)).toBe("connected");
  });

  test("calls the server gone after the third failure and tries less often, but for ever", async () => {
    const stage = await started();
    stage.last.say("hello");
    stage.down = true;
    stage.last.say("error");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(stage.links).toEqual(["connecting", "connected", "reconnecting", "reconnecting", "offline"]);
    const tries = stage.begins;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(stage.begins - tries).toBeGreaterThanOrEqual(29);
    expect(stage.begins - tries).toBeLessThanOrEqual(31);
    stage.down = false;
    await vi.advanceTimersByTimeAsync(2_000);
    stage.last.say("hello");
    expect(stage.links.at(-1)).toBe("connected");
  });

  test("tries at once when asked to, without a second attempt later", async () => {
    const stage = await started();
    stage.last.say("hello");
    stage.last.say("error");
    stage.live.now();
    await vi.advanceTimersByTimeAsync(0);
    expect(stage.sources.length).toBe(2);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(stage.sources.length).toBe(2);
  });

  test("rests while the page is hidden and catches up when it is seen again", async () => {
    const stage = await started();
    stage.last.say("hello");
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(stage.sources[0].closed).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(stage.sources.length).toBe(1);
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(0);
    expect(stage.sources.length).toBe(2);
    hidden.mockRestore();
  });
});
