// @vitest-environment jsdom
import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Refused } from "../src/data/api";
import type { FactsAnswer, RunFact } from "../src/data/facts";
import { Facts } from "../src/data/facts.svelte";
import { fetchMetrics, type Metrics } from "../src/data/metrics";
import { MetricsFeed } from "../src/data/metrics.svelte";
import { Paced } from "../src/data/paced";
import { mergePatch, type SidecarAnswer, type SidecarPatch } from "../src/data/sidecar";
import { Sidecar } from "../src/data/sidecar.svelte";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe("pacing", () => {
  test("does a job at once, then no oftener than the pause, and the last asking counts", async () => {
    const times: number[] = [];
    const start = performance.now();
    const paced = new Paced(() => {
      times.push(performance.now() - start);
      return Promise.resolve();
    }, 1_000);
    for (let at = 0; at < 25; at++) {
      paced.ask();
      await vi.advanceTimersByTimeAsync(100);
    }
    await vi.advanceTimersByTimeAsync(5_000);
    expect(times).toEqual([0, 1_000, 2_000, 3_000]);
  });

  test("goes on after a failure", async () => {
    let calls = 0;
    const paced = new Paced(() => Promise.reject(new Error(String(calls++))), 10);
    paced.ask();
    await vi.advanceTimersByTimeAsync(20);
    paced.ask();
    await settled();
    expect(calls).toBe(2);
  });
});

describe("facts", () => {
  const fact = (status: RunFact["status"], hparams: RunFact["hparams"]): RunFact => ({
    status,
    started: 1,
    ended: 2,
    path: "/runs/a",
    hparams,
    last_step: 9,
  });

  test("keeps runs by name, and says which hyperparameters are numbers", async () => {
    const runs = { a: fact("finished", { lr: 0.1, opt: "sgd", depth: 2 }), b: fact("failed", { lr: 0.2, depth: "auto" }) };
    const facts = new Facts(() => Promise.resolve({ version: 1, pending: 0, runs }));
    facts.ask();
    await settled();
    expect(facts.of("a")?.hparams.lr).toBe(0.1);
    expect([...facts.hparams]).toEqual([
      ["depth", { numeric: false, values: 2 }],
      ["lr", { numeric: true, values: 2 }],
      ["opt", { numeric: false, values: 1 }],
    ]);
  });

  test("asks again for what was not read yet, and by the clock while a run runs", async () => {
    const answers: FactsAnswer[] = [
      { version: 1, pending: 3, runs: {} },
      { version: 1, pending: 0, runs: { a: fact("running", {}) } },
      { version: 1, pending: 0, runs: { a: fact("stalled", {}) } },
    ];
    let calls = 0;
    const facts = new Facts(() => Promise.resolve(answers[calls++]));
    facts.ask();
    await vi.advanceTimersByTimeAsync(2_500);
    expect([calls, facts.of("a")?.status]).toEqual([2, "running"]);
    await vi.advanceTimersByTimeAsync(30_500);
    expect([calls, facts.of("a")?.status]).toEqual([3, "stalled"]);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(calls).toBe(3);
  });
});

describe("metrics", () => {
  const COLUMNS = {
    run: ["a", "b"],
    n: [3, 1],
    non_finite: [1, 1],
    first: [1, "NaN"],
    last: ["Infinity", "-Infinity"],
    min: [0.5, "NaN"],
    max: [1, "NaN"],
    min_step: [2, null],
    max_step: [0, null],
    last_step: [4, 7],
  };

  test("are decoded to numbers, what is not finite too", async () => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      return Promise.resolve(new Response(JSON.stringify({ version: 1, metrics: { "a&b": COLUMNS } })));
    });
    const found = await fetchMetrics(["a&b"]);
    expect(asked).toEqual(["./api/metrics?tag=a%26b"]);
    expect(found.get("a&b")?.get("a")).toEqual({
      n: 3,
      nonFinite: 1,
      first: 1,
      last: Infinity,
      min: 0.5,
      max: 1,
      minStep: 2,
      maxStep: 0,
      lastStep: 4,
    });
    expect(found.get("a&b")?.get("b")?.first).toBeNaN();
    expect(found.get("a&b")?.get("b")?.last).toBe(-Infinity);
  });

  test("are asked for in requests that the server takes", async () => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      return Promise.resolve(new Response(JSON.stringify({ version: 1, metrics: {} })));
    });
    await fetchMetrics(Array.from({ length: 120 }, (_, at) => `tag${at}`));
    expect(asked.map((url) => url.split("tag=").length - 1)).toEqual([50, 50, 20]);
    asked.length = 0;
    await fetchMetrics(Array.from({ length: 10 }, (_, at) => "é".repeat(300) + at));
    expect(asked.every((url) => url.length < 6_100)).toBe(true);
    expect(asked.length).toBe(4);
  });

  test("follow the tags that are wanted, and only their news", async () => {
    const asked: string[][] = [];
    const feed = new MetricsFeed((tags) => {
      asked.push([...tags]);
      return Promise.resolve(new Map(tags.map((tag) => [tag, new Map()])) as Metrics);
    });
    const owner = {};
    feed.want(owner, ["loss"]);
    await vi.advanceTimersByTimeAsync(2_100);
    feed.hear({ version: 2, structure: false, series: [["a", "acc", 3]] });
    await vi.advanceTimersByTimeAsync(2_100);
    expect(asked).toEqual([["loss"]]);
    feed.hear({ version: 3, structure: false, series: [["a", "loss", 3]] });
    feed.want({}, ["acc"]);
    await vi.advanceTimersByTimeAsync(2_100);
    expect(asked.at(-1)).toEqual(["loss", "acc"]);
    feed.want(owner, []);
    feed.hear();
    await vi.advanceTimersByTimeAsync(2_100);
    expect([...feed.tags.keys()]).toEqual(["acc"]);
  });
});

test("a merge patch is that of RFC 7396, and its names are only names", () => {
  const cases: [unknown, unknown, unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [["a", "b"], ["c", "d"], ["c", "d"]],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) expect(mergePatch(target, patch)).toEqual(result);
  const out = mergePatch({}, JSON.parse('{"__proto__": {"title": "x"}}')) as Record<string, unknown>;
  expect(Object.getPrototypeOf(out)).toBe(Object.prototype);
  expect(Object.keys(out)).toEqual(["__proto__"]);
});

describe("the sidecar", () => {
  class Server {
    answer: SidecarAnswer = {
      place: "logdir",
      path: "/runs/.tallyboard.json",
      writable: true,
      reason: null,
      version: 1,
      sections: { runs: {}, views: {}, charts: {} },
    };
    sent: { patch: SidecarPatch; settle: (error?: Error) => void }[] = [];
    fetches = 0;

    fetch = (): Promise<SidecarAnswer> => {
      this.fetches++;
      return Promise.resolve(structuredClone(this.answer));
    };

    send = (patch: SidecarPatch): Promise<SidecarAnswer> =>
      new Promise((done, fail) => {
        const settle = (error?: Error): void => {
          if (error) return fail(error);
          const sections = mergePatch(this.answer.sections, patch) as SidecarAnswer["sections"];
          this.answer = { ...this.answer, version: this.answer.version + 1, sections };
          done(structuredClone(this.answer));
        };
        this.sent.push({ patch, settle });
      });
  }

  async function open(): Promise<{ server: Server; sidecar: Sidecar }> {
    const server = new Server();
    const sidecar = new Sidecar(server.fetch, server.send);
    sidecar.hear();
    await vi.advanceTimersByTimeAsync(300);
    return { server, sidecar };
  }

  test("shows a change at once, and keeps it when the server did", async () => {
    const { server, sidecar } = await open();
    const kept = sidecar.patch({ runs: { a: { title: "A" } } });
    flushSync();
    expect(sidecar.note("a")).toEqual({ title: "A" });
    server.sent[0].settle();
    expect(await kept).toBe(true);
    expect([sidecar.note("a"), sidecar.note("__proto__"), sidecar.problem]).toEqual([{ title: "A" }, {}, null]);
  });

  test("takes back what was not kept, says why, and keeps the changes after it", async () => {
    const { server, sidecar } = await open();
    const first = sidecar.patch({ runs: { a: { title: "A" } } });
    const second = sidecar.patch({ runs: { b: { pinned: true } } });
    server.sent[0].settle(new Refused(409, "The disk is full."));
    expect(await first).toBe(false);
    expect(sidecar.problem).toBe("The disk is full.");
    expect(sidecar.sections.runs).toEqual({ b: { pinned: true } });
    await settled();
    server.sent[1].settle();
    expect(await second).toBe(true);
    expect([sidecar.sections.runs, sidecar.problem]).toEqual([{ b: { pinned: true } }, null]);
  });

  test("sends changes one after the other, so that the last one counts", async () => {
    const { server, sidecar } = await open();
    void sidecar.patch({ runs: { a: { title: "1" } } });
    const last = sidecar.patch({ runs: { a: { title: "2" } } });
    expect(server.sent.length).toBe(1);
    server.sent[0].settle();
    await settled();
    expect(sidecar.note("a").title).toBe("2");
    server.sent[1].settle();
    await last;
    expect(sidecar.note("a").title).toBe("2");
  });

  test("hears of the changes of others, and fetches only what is news", async () => {
    const { server, sidecar } = await open();
    sidecar.hear(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.fetches).toBe(1);
    server.answer = { ...server.answer, version: 5, sections: { runs: { x: { note: "n" } }, views: {}, charts: {} } };
    sidecar.hear(5);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([server.fetches, sidecar.note("x")]).toEqual([2, { note: "n" }]);
  });

  test("sends nothing where nothing can be kept, and says why", async () => {
    const { server, sidecar } = await open();
    server.answer = { ...server.answer, writable: false, reason: "Notes were switched off." };
    sidecar.hear();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await sidecar.patch({ runs: { a: { title: "A" } } })).toBe(false);
    expect([server.sent.length, sidecar.problem, sidecar.note("a")]).toEqual([0, "Notes were switched off.", {}]);
    sidecar.dismiss();
    expect(sidecar.problem).toBeNull();
  });
});
