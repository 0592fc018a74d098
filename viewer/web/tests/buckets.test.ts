import { afterEach, describe, expect, test, vi } from "vitest";
import { bucketAt } from "../src/chart/buckets";
import type { Trace } from "../src/chart/trace";
import type { Index, Wanted } from "../src/data/api";
import { coarser, widened, type Recipe } from "../src/data/buckets";
import { meansOf } from "../src/data/means";
import { SeriesCache } from "../src/data/series";
import { decodeFrame, type Tail } from "../src/data/wire";

const RECIPE: Recipe = { count: 10, axis: "step", log: false, smooth: null };

/** A server of one series whose values are its steps; it answers in buckets as the real one does, keeping first and last. */
class Server {
  total = 1000;
  generation = 0;
  asked: Wanted[] = [];

  answer = (wanted: readonly Wanted[]): Promise<Tail[]> => {
    this.asked.push(...wanted);
    return Promise.resolve(wanted.map((one) => this.#tail(one)));
  };

  #tail({ run, tag, since, generation, buckets, smooth }: Wanted): Tail {
    const { total } = this;
    const from = generation === undefined || generation === this.generation ? since : 0;
    const common = { run, tag, total, generation: this.generation };
    const rows = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);
    if (!buckets || (buckets.lo === undefined && total - from <= 4 * buckets.count)) {
      return { ...common, since: from, ...this.#columns(rows(from, total - 1), smooth !== undefined) };
    }
    const lo = Math.max(0, Math.ceil(buckets.lo ?? 0));
    const hi = Math.min(total - 1, Math.floor(buckets.hi ?? total - 1));
    if (hi - lo < 4 * buckets.count) {
      return { ...common, since: 0, buckets: { exact: true }, ...this.#columns(rows(lo, hi), smooth !== undefined) };
    }
    const ends = Array.from({ length: buckets.count + 1 }, (_, i) => lo + Math.round(((hi + 1 - lo) * i) / buckets.count));
    const kept = ends.slice(0, -1).flatMap((start, i) => [start, ends[i + 1] - 1]);
    const counts = Uint32Array.from(ends.slice(0, -1), (start, i) => ends[i + 1] - start);
    const start = counts.map((_, i) => 2 * i);
    const mean = Float32Array.from(counts, (n, i) => ends[i] + (n - 1) / 2);
    return { ...common, since: 0, buckets: { exact: false, rows: kept.length, start, points: counts, mean }, ...this.#columns(kept, smooth !== undefined) };
  }

  #columns(steps: number[], line: boolean): Pick<Tail, "step" | "wall" | "value" | "line"> {
    const step = Float64Array.from(steps);
    return { step, wall: step, value: step, ...(line && { line: step.map((value) => value / 2) }) };
  }

  index(): Index {
    const runs = [{ name: "a", first_wall_time: 0, last_wall_time: 0, warnings: [] }];
    return { version: 1, logdir: "runs", state: "ready", title: "tallyboard", runs, series: { scalars: { loss: [[0, this.total]] } } };
  }
}

function setUp(recipe: Recipe | null = RECIPE): { server: Server; cache: SeriesCache; settle: () => Promise<void> } {
  vi.useFakeTimers();
  const server = new Server();
  const cache = new SeriesCache(server.answer);
  cache.recipe = recipe;
  cache.noteIndex(server.index(), false);
  return { server, cache, settle: async () => void (await vi.advanceTimersByTimeAsync(0)) };
}

const owner = {};
const nothing = (): void => {};

afterEach(() => vi.useRealTimers());

describe("a long series", () => {
  test("is held as its buckets show it, and says how many points these stand for", async () => {
    const { server, cache, settle } = setUp();
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    expect(server.asked).toEqual([{ run: "a", tag: "loss", since: 0, generation: 0, buckets: { count: 10, x: "step" } }]);
    const columns = cache.get("loss", "a")!;
    expect([columns.n, columns.points, columns.buckets?.rows]).toEqual([20, 1000, 20]);
    expect([...columns.value.subarray(0, 4)]).toEqual([0, 99, 100, 199]);
  });

  test("goes on point by point, and is put into buckets anew when too many have come", async () => {
    const { server, cache, settle } = setUp();
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    server.total = 1003;
    cache.note("a", "loss", 1003);
    await settle();
    expect(server.asked.at(-1)?.since).toBe(999);
    const columns = cache.get("loss", "a")!;
    expect([columns.n, columns.points, columns.value[22]]).toEqual([23, 1003, 1002]);
    // Too many at once, and too soon after the last time.
    server.total = 2000;
    cache.note("a", "loss", 2000);
    await settle();
    expect(server.asked.length).toBe(2);
    expect(columns.points).toBe(1003);
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.asked.length).toBe(3);
    expect([columns.n, columns.points]).toEqual([20, 2000]);
  });

  test("that a restart rewrote is fetched anew, in buckets", async () => {
    const { server, cache, settle } = setUp();
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    server.generation = 1;
    cache.note("a", "loss", 1000, 1);
    await settle();
    expect([cache.get("loss", "a")!.n, server.asked.length]).toEqual([20, 2]);
    cache.note("a", "loss", 1000, 1);
    await settle();
    expect(server.asked.length).toBe(2);
  });

  test("is smoothed by the server, anew when the smoothing changes; the old line stays until then", async () => {
    const smooth = { kind: "ema", weight: 0.6, x: "step" } as const;
    const { server, cache, settle } = setUp({ ...RECIPE, smooth });
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    const columns = cache.get("loss", "a")!;
    expect(columns.line?.[1]).toBe(49.5);
    cache.recipe = { ...RECIPE, smooth: { ...smooth, kind: "median" } };
    expect(columns.n).toBe(20);
    await settle();
    expect(server.asked.at(-1)?.smooth?.kind).toBe("median");
    // No smoothing needs nothing new.
    cache.recipe = RECIPE;
    await settle();
    expect(server.asked.length).toBe(2);
  });

  test("grows smoothed by what looks both ways only as a whole", async () => {
    const { server, cache, settle } = setUp({ ...RECIPE, smooth: { kind: "gauss", weight: 0.6, x: "step" } });
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    server.total = 1001;
    cache.note("a", "loss", 1001);
    await vi.advanceTimersByTimeAsync(999);
    expect(server.asked.length).toBe(1);
    await vi.advanceTimersByTimeAsync(2);
    expect(server.asked.at(-1)?.since).toBe(0);
    expect(cache.get("loss", "a")!.points).toBe(1001);
  });

  test("shows a zoom from what it has until the detail is there, down to every point", async () => {
    const { server, cache, settle } = setUp();
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    const view = { axis: "step", lo: 400, hi: 600 } as const;
    cache.watch(owner, "loss", ["a"], nothing, view);
    expect(cache.get("loss", "a", view)!.n).toBe(20);
    await settle();
    expect(server.asked.at(-1)?.buckets).toEqual({ count: 20, x: "step", lo: 300, hi: 700 });
    const detail = cache.get("loss", "a", view)!;
    expect([detail.step[0], detail.step[detail.n - 1], detail.buckets?.points.length]).toEqual([300, 700, 20]);
    expect(detail.whole).toBe(cache.get("loss", "a"));

    // Nothing more for moving a little; from afar the whole is shown.
    cache.watch(owner, "loss", ["a"], nothing, { ...view, lo: 450, hi: 650 });
    await settle();
    expect(server.asked.length).toBe(2);
    expect(cache.get("loss", "a", { ...view, lo: 0, hi: 999 })!.n).toBe(20);

    const near = { axis: "step", lo: 500, hi: 520 } as const;
    cache.watch(owner, "loss", ["a"], nothing, near);
    expect(cache.get("loss", "a", near)).toBe(detail);
    await settle();
    const exact = cache.get("loss", "a", near)!;
    expect([exact.buckets, exact.n, exact.step[0]]).toEqual([null, 41, 490]);
    cache.watch(owner, "loss", ["a"], nothing, { ...near, lo: 505, hi: 506 });
    await settle();
    expect(server.asked.length).toBe(3);
  });

  test("grows in a zoom that has its end in view", async () => {
    const { server, cache, settle } = setUp();
    const view = { axis: "step", lo: 980, hi: 1010 } as const;
    cache.watch(owner, "loss", ["a"], nothing, view);
    await settle();
    expect(cache.get("loss", "a", view)!.step[0]).toBe(965);
    server.total = 1005;
    cache.note("a", "loss", 1005);
    await vi.advanceTimersByTimeAsync(1001);
    const detail = cache.get("loss", "a", view)!;
    expect(detail.step[detail.n - 1]).toBe(1004);
    const asked = server.asked.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(server.asked.length).toBe(asked);
  });

  test("gives means over runs the means of its buckets, and what came since", async () => {
    const { server, cache, settle } = setUp();
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    server.total = 1002;
    cache.note("a", "loss", 1002);
    await settle();
    const columns = cache.get("loss", "a")!;
    const means = meansOf(columns);
    expect([...means.step.subarray(0, 2), ...means.step.subarray(9)]).toEqual([0, 100, 900, 1000, 1001]);
    expect([...means.value.subarray(0, 2), ...means.value.subarray(9)]).toEqual([49.5, 149.5, 949.5, 1000, 1001]);
    expect(meansOf(columns)).toBe(means);
    server.total = 1003;
    cache.note("a", "loss", 1003);
    await settle();
    expect(meansOf(columns).n).toBe(13);
    expect(meansOf(means)).toBe(means);
  });

  test("is handed out whole when that is asked for, and not kept", async () => {
    const { cache, settle } = setUp();
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    const whole = await cache.whole("loss", ["a", "unknown"]);
    expect([...whole.keys()]).toEqual(["a"]);
    expect([whole.get("a")!.n, whole.get("a")!.value[777]]).toEqual([1000, 777]);
    expect(cache.get("loss", "a")!.n).toBe(20);
  });

  test("that was short is put into buckets when it has become twice too long", async () => {
    const { server, cache, settle } = setUp();
    server.total = 40;
    cache.noteIndex(server.index(), false);
    cache.watch(owner, "loss", ["a"], nothing);
    await settle();
    expect(cache.get("loss", "a")!.buckets).toBeNull();
    server.total = 80;
    cache.note("a", "loss", 80);
    await settle();
    expect(cache.get("loss", "a")!.n).toBe(80);
    server.total = 81;
    cache.note("a", "loss", 81);
    await settle();
    expect([cache.get("loss", "a")!.n, cache.get("loss", "a")!.points]).toEqual([20, 81]);
  });
});

test("whether a piece shows a view finely enough is told on the axis as it is drawn", () => {
  expect(coarser({ lo: 0, hi: 100 }, 10, { lo: 0, hi: 50 }, 10, false)).toBe(true);
  expect(coarser({ lo: 0, hi: 100 }, 20, { lo: 0, hi: 50 }, 10, false)).toBe(false);
  expect(coarser({ lo: 0, hi: 1e6 }, 100, { lo: 0, hi: 1000 }, 40, true)).toBe(false);
  for (const log of [false, true]) {
    const view = { lo: 1, hi: 100 };
    const wide = widened(view, log);
    expect(wide.lo < 1 && wide.hi > 100).toBe(true);
    expect(coarser(wide, 20, view, 10, log)).toBe(false);
  }
});

test("a point knows the bucket that it stands for, and later points stand for themselves", () => {
  const raw = Float64Array.from([5, 1, NaN, 9, 2, 7]);
  const buckets = { rows: 5, start: Uint32Array.of(0, 4), points: Uint32Array.of(100, 1), mean: Float32Array.of(4.5, 2), odd: Uint32Array.of(3, 0) };
  const trace = { raw, n: 6, buckets } as unknown as Trace;
  const bucket = { points: 100, odd: 3, mean: 4.5, first: 0, last: 3, least: 1, greatest: 3 };
  for (const index of [0, 1, 2, 3]) expect(bucketAt(trace, index)).toEqual(bucket);
  expect([bucketAt(trace, 4), bucketAt(trace, 5)]).toEqual([null, null]);
  expect(bucketAt({ raw, n: 6 } as unknown as Trace, 0)).toBeNull();
});

test("a frame's buckets and line are columns of their own length and type", () => {
  const column = (at: number, type: string): string => `{"at":${at},"type":"${type}"}`;
  const series = `{"run":"a","tag":"t","since":0,"n":2,"total":9,"step":${column(0, "f8")},"wall":${column(0, "f8")},"value":${column(0, "f8")},"line":${column(16, "f4")},"buckets":{"x":"step","lo":0,"hi":9,"count":1,"exact":false,"n":1,"start":${column(24, "u4")},"points":${column(32, "u4")},"mean":${column(40, "f4")}}}`;
  let header = `{"v":1,"order":"little","series":[${series}]}`;
  header = header.padEnd(Math.ceil(header.length / 8) * 8);
  const frame = new ArrayBuffer(8 + header.length + 48);
  const bytes = new DataView(frame);
  new TextEncoder().encodeInto(`TLY1....${header}`, new Uint8Array(frame));
  bytes.setUint32(4, header.length, true);
  const body = 8 + header.length;
  bytes.setFloat64(body + 8, 8, true);
  bytes.setFloat32(body + 20, 1.5, true);
  bytes.setUint32(body + 32, 9, true);
  bytes.setFloat32(body + 40, 4, true);
  const [tail] = decodeFrame(frame);
  expect([...tail.step]).toEqual([0, 8]);
  expect([...(tail.line ?? [])]).toEqual([0, 1.5]);
  expect(tail.buckets).toEqual({ exact: false, rows: 2, start: Uint32Array.of(0), points: Uint32Array.of(9), mean: Float32Array.of(4) });
});
