import { afterEach, describe, expect, test, vi } from "vitest";
import { Refused, type Index, type Wanted } from "../src/data/api";
import { SeriesCache } from "../src/data/series";
import type { Tail } from "../src/data/wire";

/** A server in memory: series are lists of values; steps and times follow from their index. */
class Server {
  series = new Map<string, number[]>();
  asked: Wanted[][] = [];
  failure: Error | null = null;

  answer = (wanted: readonly Wanted[]): Promise<Tail[]> => {
    this.asked.push([...wanted]);
    if (this.failure) return Promise.reject(this.failure);
    return Promise.resolve(
      wanted.map(({ run, tag, since }) => {
        const values = this.series.get(`${run} ${tag}`) ?? [];
        const from = since <= values.length ? since : 0;
        const value = Float64Array.from(values.slice(from));
        const step = value.map((_, i) => from + i);
        return { run, tag, since: from, total: values.length, generation: 0, step, wall: step, value };
      }),
    );
  };

  index(version = 1): Index {
    const runs = [...new Set([...this.series.keys()].map((key) => key.split(" ")[0]))];
    const scalars: Record<string, [number, number][]> = {};
    for (const [key, values] of this.series) {
      const [run, tag] = key.split(" ");
      (scalars[tag] ??= []).push([runs.indexOf(run), values.length]);
    }
    const described = runs.map((name) => ({ name, first_wall_time: 0, last_wall_time: 0, warnings: [] }));
    return { version, logdir: "runs", state: "ready", title: "tallyboard", runs: described, series: { scalars } };
  }
}

/** Watches one series and resolves whenever points of it came. */
function watched(cache: SeriesCache, tag: string, runs: string[]): { next: () => Promise<void>; owner: object } {
  let wake = (): void => {};
  const owner = {};
  cache.watch(owner, tag, runs, () => wake());
  return { owner, next: () => new Promise((resolve) => (wake = resolve)) };
}

function values(cache: SeriesCache, tag: string, run: string): number[] {
  const columns = cache.get(tag, run);
  return columns ? [...columns.value.subarray(0, columns.n)] : [];
}

afterEach(() => vi.useRealTimers());

describe("the points of series", () => {
  test("are fetched only for what a card shows, all of a card in one request", async () => {
    const server = new Server();
    server.series.set("a loss", [3, 2]).set("b loss", [5]).set("a other", [1]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a", "b"]);
    await next();
    expect(server.asked).toEqual([
      [
        { run: "a", tag: "loss", since: 0, generation: 0 },
        { run: "b", tag: "loss", since: 0, generation: 0 },
      ],
    ]);
    expect(values(cache, "loss", "a")).toEqual([3, 2]);
    expect(values(cache, "loss", "b")).toEqual([5]);
  });

  test("grow by their tail, asked for from the last point held", async () => {
    const server = new Server();
    const points = [1, 2, 3];
    server.series.set("a loss", points);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    points.push(4, 5);
    cache.note("a", "loss", 5);
    await next();
    expect(server.asked.at(-1)).toEqual([{ run: "a", tag: "loss", since: 2, generation: 0 }]);
    expect(values(cache, "loss", "a")).toEqual([1, 2, 3, 4, 5]);
    expect(cache.get("loss", "a")?.edition).toBe(0);
  });

  test("are fetched anew when a restart has replaced some, though there are as many", async () => {
    const server = new Server();
    let generation = 0;
    server.series.set("a loss", [1, 2, 3]);
    const cache = new SeriesCache(async (wanted) => {
      const stale = wanted[0].generation !== generation;
      const tails = await server.answer(stale ? wanted.map((one) => ({ ...one, since: 0 })) : wanted);
      return tails.map((tail) => ({ ...tail, generation }));
    });
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    generation = 1;
    server.series.set("a loss", [1, 7, 3]);
    cache.note("a", "loss", 3, 1);
    await next();
    expect(server.asked.at(-1)![0].generation).toBe(0);
    expect(values(cache, "loss", "a")).toEqual([1, 7, 3]);
    cache.note("a", "loss", 3, 1);
    await Promise.resolve();
    expect(server.asked.length).toBe(2);
  });

  test("that came while an answer was under way are asked for next", async () => {
    const server = new Server();
    server.series.set("a loss", [1, 2]);
    const cache = new SeriesCache((wanted) => {
      const answer = server.answer(wanted);
      if (server.asked.length === 1) {
        server.series.set("a loss", [1, 2, 3]);
        cache.note("a", "loss", 3);
      }
      return answer;
    });
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    await next();

    expect(values(cache, "loss", "a")).toEqual([1, 2, 3]);
    expect(server.asked.length).toBe(2);
  });

  test("grow also behind a NaN", async () => {
    const server = new Server();
    const points = [1, NaN];
    server.series.set("a loss", points);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    points.push(2);
    cache.note("a", "loss", 3);
    await next();
    expect(values(cache, "loss", "a")).toEqual([1, NaN, 2]);
    expect(server.asked.length).toBe(2);
  });

  test("are fetched anew when the series was rewritten, longer or shorter than before", async () => {
    const server = new Server();
    server.series.set("a loss", [1, 2, 3]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    server.series.set("a loss", [9, 8, 7, 6]);
    cache.note("a", "loss", 4);
    await next();
    if (values(cache, "loss", "a").length === 0) await next();
    expect(values(cache, "loss", "a")).toEqual([9, 8, 7, 6]);
    server.series.set("a loss", [5]);
    cache.note("a", "loss", 1);
    await next();
    expect(values(cache, "loss", "a")).toEqual([5]);
  });

  test("go when the server has them no more", async () => {
    const server = new Server();
    server.series.set("a loss", [1, 2]).set("b loss", [1]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a", "b"]);
    await next();
    server.series.delete("a loss");
    cache.noteIndex(server.index(2), false);
    await next();
    expect(values(cache, "loss", "a")).toEqual([]);
    expect(values(cache, "loss", "b")).toEqual([1]);
  });

  test("are looked at again after a lost connection, though their number is the same", async () => {
    const server = new Server();
    server.series.set("a loss", [1, 2]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    server.series.set("a loss", [7, 8]);
    cache.doubtAll();
    await next();
    if (values(cache, "loss", "a").length === 0) await next();
    expect(values(cache, "loss", "a")).toEqual([7, 8]);
  });

  test("are not asked for again by an index that is older than the news", async () => {
    const server = new Server();
    server.series.set("a loss", [1, 2]);
    const old = server.index();
    server.series.set("a loss", [1, 2, 3]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(2), false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    cache.noteIndex(old, true);
    await Promise.resolve();
    await Promise.resolve();
    expect(server.asked.length).toBe(1);
  });

  test("that nobody watches any more are not fetched", async () => {
    const server = new Server();
    server.series.set("a loss", [1]).set("a other", [1]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { owner } = watched(cache, "loss", ["a"]);
    cache.unwatch(owner);
    const { next } = watched(cache, "other", ["a"]);
    await next();
    expect(server.asked.flat().map(({ tag }) => tag)).toEqual(["other"]);
  });

  test("come in several requests when there are many, none of them unbounded", async () => {
    const server = new Server();
    const runs = Array.from({ length: 3 }, (_, i) => `r${i}`);
    for (const run of runs) server.series.set(`${run} loss`, Array<number>(250_000).fill(1));
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", runs);
    await next();
    await next();
    expect(server.asked.map((request) => request.length)).toEqual([2, 1]);
  });

  test("of a chart with many runs are asked for by themselves, so that no chart is drawn in parts", async () => {
    const server = new Server();
    const runs = Array.from({ length: 700 }, (_, i) => `r${i}`);
    for (const run of runs) for (const tag of ["loss", "accuracy"]) server.series.set(`${run} ${tag}`, [1]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const charts = ["loss", "accuracy"].map((tag) => watched(cache, tag, runs));
    await Promise.all(charts.map(({ next }) => next()));
    expect(server.asked.map((request) => [request.length, request[0].tag])).toEqual([
      [700, "loss"],
      [700, "accuracy"],
    ]);
  });

  test("are tried again after a refusal, which is told until it is over", async () => {
    vi.useFakeTimers();
    const server = new Server();
    server.series.set("a loss", [1]);
    server.failure = new Refused(500, "The disk is on fire.");
    const problems: (string | null)[] = [];
    const cache = new SeriesCache(server.answer, (problem) => problems.push(problem));
    cache.noteIndex(server.index(), false);
    const { next } = watched(cache, "loss", ["a"]);
    await vi.advanceTimersByTimeAsync(0);
    expect(problems).toEqual(["The disk is on fire."]);
    server.failure = null;
    const came = next();
    await vi.advanceTimersByTimeAsync(500);
    await came;
    expect(problems).toEqual(["The disk is on fire.", null]);
    expect(values(cache, "loss", "a")).toEqual([1]);
  });

  test("have the voided ones among them when those are asked for, and lose them again", async () => {
    const all = [1, 2, 3, 2.5, 3.5];
    const standing = [1, 2, 2.5, 3.5];
    const asked: Wanted[][] = [];
    const answer = (wanted: readonly Wanted[]): Promise<Tail[]> => {
      asked.push([...wanted]);
      return Promise.resolve(
        wanted.map(({ run, tag, since, superseded }) => {
          const points = superseded ? all : standing;
          const value = Float64Array.from(points.slice(since));
          const step = value.map((_, i) => since + i);
          return { run, tag, since, total: points.length, generation: 1, step, wall: step, value };
        }),
      );
    };
    const cache = new SeriesCache(answer);
    const index = new Server().index();
    index.runs = [{ name: "a", first_wall_time: 0, last_wall_time: 0, warnings: [] }];
    index.series.scalars = { loss: [[0, 4, 1]] };
    cache.noteIndex(index, false);
    const { next } = watched(cache, "loss", ["a"]);
    await next();
    expect(values(cache, "loss", "a")).toEqual(standing);

    cache.everything = true;
    expect(values(cache, "loss", "a")).toEqual([]);
    await next();
    expect(values(cache, "loss", "a")).toEqual(all);

    // An index that tells nothing new costs no request, and news costs only the end.
    const requests = asked.length;
    cache.noteIndex(index, false);
    all.push(4.5);
    standing.push(4.5);
    cache.note("a", "loss", 5, 1);
    await next();
    expect(values(cache, "loss", "a")).toEqual(all);
    expect(asked.slice(requests).flat()).toEqual([{ run: "a", tag: "loss", since: 4, generation: 1, superseded: true }]);

    cache.everything = false;
    await next();
    expect(values(cache, "loss", "a")).toEqual(standing);
  });

  test("are brought up to date once, and not with every news, while the server reads for the first time", async () => {
    vi.useFakeTimers({ toFake: ["performance"] }); // which stands still
    const server = new Server();
    server.series.set("a loss", [3]);
    const cache = new SeriesCache(server.answer);
    cache.loading = true;
    cache.noteIndex({ ...server.index(), state: "loading" }, false);
    const { next } = watched(cache, "loss", ["a", "b"]);
    await next();
    const calm = cache.calm();
    for (let n = 2; n < 50; n++) {
      server.series.set("a loss", Array<number>(n).fill(n));
      cache.note("a", "loss", n);
      await Promise.resolve();
    }
    expect(server.asked.length).toBe(1);

    // What was not there before is shown at once.
    server.series.set("b loss", [1]);
    cache.note("b", "loss", 1);
    await next();
    expect(values(cache, "loss", "b")).toEqual([1]);
    expect(server.asked.map((wanted) => wanted.map(({ run }) => run))).toEqual([["a"], ["b"]]);

    cache.loading = false;
    cache.noteIndex(server.index(), false);
    await Promise.all([next(), calm]);
    expect(values(cache, "loss", "a").length).toBe(49);
    expect(server.asked.length).toBe(3);
  });

  test("come before what waits for them", async () => {
    const server = new Server();
    server.series.set("a loss", [3]);
    const cache = new SeriesCache(server.answer);
    cache.noteIndex(server.index(), false);
    const told: string[] = [];
    const waiting = cache.calm().then(() => told.push("calm"));
    cache.watch({}, "loss", ["a"], () => told.push("points"));
    await waiting;
    expect(told).toEqual(["points", "calm"]);
  });
});
