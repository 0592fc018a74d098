import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Facts } from "../src/data/facts.svelte";
import { MetricsFeed } from "../src/data/metrics.svelte";
import { Paced } from "../src/data/paced";
import type { Board } from "../src/data/board.svelte";
import { Values } from "../src/data/values.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function counted(took: number): { job: () => Promise<void>; starts: number[] } {
  const starts: number[] = [];
  const job = (): Promise<void> => {
    starts.push(performance.now());
    return new Promise((done) => setTimeout(done, took));
  };
  return { job, starts: starts };
}
const since = (starts: number[]): number[] => starts.map((at) => at - starts[0]);

test("what is only older than it could be waits for the pause, or three times as long as the job took", async () => {
  const [quick, slow] = [counted(10), counted(1_500)];
  for (const { job } of [quick, slow]) {
    const paced = new Paced(job, 2_000);
    paced.ask();
    paced.ask();
  }
  await vi.advanceTimersByTimeAsync(20_000);
  expect(since(quick.starts)).toEqual([0, 2_010]);
  expect(since(slow.starts)).toEqual([0, 6_000]);
});

test("what is missing comes after a short rest, also where it is asked in the midst of a long one", async () => {
  const { job, starts } = counted(1_500);
  const paced = new Paced(job, 2_000);
  paced.ask();
  await vi.advanceTimersByTimeAsync(100);
  paced.ask(true);
  await vi.advanceTimersByTimeAsync(3_500);
  expect(since(starts)).toEqual([0, 3_000]);

  await vi.advanceTimersByTimeAsync(3_400); // it rests since 4.5 s, for 4.5 s
  paced.ask();
  paced.ask(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(since(starts)).toEqual([0, 3_000, 7_000]);
});

test("a pause that is shorter than the short rest stays as short", async () => {
  const { job, starts } = counted(10);
  const paced = new Paced(job, 100);
  paced.ask();
  paced.ask(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(since(starts)).toEqual([0, 110]);
});

test("hyperparameters and figures of runs that came meanwhile are asked for at once", async () => {
  const asked: string[] = [];
  const facts = new Facts(() => {
    asked.push("facts");
    return Promise.resolve({ version: 1, pending: 0, runs: {} });
  });
  const metrics = new MetricsFeed(() => {
    asked.push("metrics");
    return Promise.resolve(new Map());
  });
  facts.ask();
  metrics.want({}, ["loss"]);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(["facts", "metrics"]);

  facts.ask();
  metrics.hear({ version: 2, structure: false, series: [["a", "loss", 2, 0]] });
  await vi.advanceTimersByTimeAsync(300);
  expect(asked).toHaveLength(2);
  facts.ask(true);
  metrics.hear({ version: 3, structure: true, series: [] });
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(["facts", "metrics", "facts", "metrics"]);
});

test("steps of series that came meanwhile are asked for after no longer than the last answer took", async () => {
  const asked: string[][] = [];
  const values = new Values({ others: 0, everything: false } as Board, "images", (_plugin, series) => {
    asked.push(series.map(({ run }) => run));
    return new Promise((done) => setTimeout(() => done(series.map(({ since }) => ({ since, step: [], wall: [], generation: 0 }))), 2_000));
  });
  values.want([{ run: "a", tag: "x" }]);
  await vi.advanceTimersByTimeAsync(2_500);
  values.want([{ run: "a", tag: "x" }]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked).toEqual([["a"]]);
  values.want([{ run: "a", tag: "x" }, { run: "b", tag: "x" }]);
  await vi.advanceTimersByTimeAsync(100);
  expect(asked).toEqual([["a"], ["a", "b"]]);
});
