// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Newsroom } from "../src/data/newsroom";
import { ROUND_MS, SILENT_ROUNDS, UNANSWERED, UNANSWERED_AT_FIRST, type Ask, type Tell } from "../src/data/posts";
import { Subscription } from "../src/data/subscription";

class FakeStream {
  closed = false;
  #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  constructor(readonly url: string) {}

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(type, listener);
  }

  say(type: string, data = ""): void {
    this.#listeners.get(type)?.({ data } as MessageEvent<string>);
  }

  news(version: number): void {
    this.say("change", JSON.stringify({ version, structure: false, series: [["a", "loss", version]] }));
  }

  close(): void {
    this.closed = true;
  }
}

class Tab {
  heard: Tell[] = [];

  constructor(readonly newsroom: Newsroom) {}

  ask(ask: Ask): this {
    this.newsroom.hear(this, ask, (tell) => this.heard.push(tell));
    return this;
  }

  follow(since: number): this {
    return this.ask({ ask: "follow", url: "http://localhost/api/live", since });
  }

  /** The versions of the changes heard; null for one that says that anything may have changed. */
  get versions(): (number | null)[] {
    const changes = this.heard.filter((tell) => tell.tell === "change").map(({ data }) => JSON.parse(data));
    return changes.map(({ version, series }) => (series ? version : null));
  }
}

describe("the newsroom", () => {
  let streams: FakeStream[] = [];
  let newsroom: Newsroom;
  beforeEach(() => {
    vi.useFakeTimers();
    streams = [];
    newsroom = new Newsroom((url) => {
      streams.push(new FakeStream(url));
      return streams[streams.length - 1];
    });
  });
  afterEach(() => vi.useRealTimers());

  test("opens one stream for twelve tabs, and passes each change to all of them", () => {
    const tabs = Array.from({ length: 12 }, (_, i) => new Tab(newsroom).follow(10 + (i % 2)));
    streams[0].say("hello");
    streams[0].news(12);
    expect(streams.map(({ url }) => url)).toEqual(["http://localhost/api/live?since=10"]);
    expect(tabs.map(({ versions }) => versions)).toEqual(Array(12).fill([12]));
    expect(tabs.every(({ heard }) => heard[0].tell === "hello")).toBe(true);
  });

  test("tells a tab that comes later what it missed, and no more", () => {
    new Tab(newsroom).follow(10);
    streams[0].say("hello");
    for (const version of [11, 12, 13]) streams[0].news(version);
    expect(new Tab(newsroom).follow(11).versions).toEqual([12, 13]);
    expect(new Tab(newsroom).follow(13).versions).toEqual([]);
    expect(new Tab(newsroom).follow(9).versions).toEqual([null]);
    for (let version = 14; version < 100; version++) streams[0].news(version);
    expect(new Tab(newsroom).follow(13).versions).toEqual([null]);
    expect(new Tab(newsroom).follow(98).versions).toEqual([99]);
  });

  test("tells a tab that comes later which version the notes have, though the store's is the same", () => {
    new Tab(newsroom).follow(10);
    streams[0].say("hello");
    streams[0].say("change", JSON.stringify({ version: 10, structure: false, series: [], sidecar: 3 }));
    streams[0].news(11);
    const late = new Tab(newsroom).follow(11);
    const changes = late.heard.flatMap((tell) => (tell.tell === "change" ? [JSON.parse(tell.data) as unknown] : []));
    expect(changes).toEqual([{ version: 11, structure: false, series: [], sidecar: 3 }]);
  });

  test("closes its stream when the last tab leaves, and opens another for the next", () => {
    const [one, other] = [new Tab(newsroom).follow(1), new Tab(newsroom).follow(1)];
    one.ask({ ask: "leave" });
    expect(streams[0].closed).toBe(false);
    other.ask({ ask: "leave" });
    expect(streams[0].closed).toBe(true);
    new Tab(newsroom).follow(7);
    expect(streams[1].url).toMatch(/since=7$/);
  });

  test("tells all when its stream breaks, and starts anew with the first that comes back", () => {
    const tabs = [new Tab(newsroom).follow(5), new Tab(newsroom).follow(5)];
    streams[0].say("hello");
    streams[0].say("error");
    expect(tabs.map(({ heard }) => heard.at(-1)?.tell)).toEqual(["error", "error"]);
    expect([streams[0].closed, newsroom.tabs]).toEqual([true, 0]);
    tabs[1].follow(0);
    tabs[0].follow(0);
    streams[0].news(6);
    streams[1].say("hello");
    streams[1].news(1);
    expect(streams.length).toBe(2);
    expect(tabs.map(({ versions }) => versions)).toEqual([[1], [1]]);
  });

  test("forgets a tab that crashed, and so closes the stream that nobody follows", () => {
    const [alive, crashed] = [new Tab(newsroom).follow(1), new Tab(newsroom).follow(1)];
    for (let round = 0; round <= SILENT_ROUNDS; round++) {
      vi.advanceTimersByTime(ROUND_MS);
      alive.ask({ ask: "there?" });
    }
    expect(newsroom.tabs).toBe(1);
    expect(alive.heard.map(({ tell }) => tell)).toEqual(Array(SILENT_ROUNDS + 1).fill("here"));
    crashed.ask({ ask: "there?" });
    expect(crashed.heard).toEqual([{ tell: "error" }]);
    vi.advanceTimersByTime((SILENT_ROUNDS + 1) * ROUND_MS);
    expect([newsroom.tabs, streams[0].closed]).toEqual([0, true]);
  });
});

class Followed extends Subscription {
  asked: string[] = [];
  wasDeaf = false;
  errors = 0;

  constructor() {
    super();
    this.addEventListener("error", () => this.errors++);
  }

  protected ask({ ask }: Ask): void {
    this.asked.push(ask);
  }

  protected end(): void {}

  protected override deaf(): void {
    this.wasDeaf = true;
  }

  answer(): void {
    this.hear({ tell: "here" });
  }
}

describe("a tab that follows", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test("keeps asking, and is content with answers", () => {
    const followed = new Followed();
    for (let round = 0; round < 20; round++) {
      vi.advanceTimersByTime(ROUND_MS);
      followed.answer();
    }
    expect([followed.asked, followed.errors]).toEqual([Array(20).fill("there?"), 0]);
    followed.close();
  });

  test("gives up a newsroom that crashed after a few rounds, and does not hold it for one that never was", () => {
    const followed = new Followed();
    followed.answer();
    vi.advanceTimersByTime(UNANSWERED * ROUND_MS);
    expect(followed.errors).toBe(0);
    vi.advanceTimersByTime(ROUND_MS);
    expect([followed.errors, followed.wasDeaf, followed.asked.at(-1)]).toEqual([1, false, "leave"]);
  });

  test("tells when nobody ever was there", () => {
    const followed = new Followed();
    vi.advanceTimersByTime(UNANSWERED_AT_FIRST * ROUND_MS);
    expect([followed.errors, followed.wasDeaf]).toEqual([0, false]);
    vi.advanceTimersByTime(ROUND_MS);
    expect([followed.errors, followed.wasDeaf]).toEqual([1, true]);
  });
});
