import { describe, expect, it } from "vitest";
import { ExactSeeds, type SeedsAsked, type SeedsWanted } from "../src/dash/scalars/exact";
import type { Tail } from "../src/data/wire";

const ASKED: SeedsAsked = { tag: "loss", runs: ["a", "b"], centre: "mean", band: "std", x: "step", superseded: false, smooth: null, log: false };

/** What a server answers that has `total` places and shows those at `places`. */
function tails(places: number[], total: number, line?: number[]): Tail[] {
  const at = Float64Array.from(places);
  const column = (run: string, value: Float64Array): Tail => ({ run, tag: "loss", since: 0, total, generation: 0, step: at, wall: at.map((x) => x + 1000), value });
  const centre = column("centre", at.map((x) => x * 2));
  if (line) centre.line = Float64Array.from(line);
  return [centre, column("low", at.map((x) => x * 2 - 1)), column("high", at.map((x) => x * 2 + 1)), column("count", at.map(() => 2)), column("place", at)];
}

/** A server whose answers come when told to. */
function server(answer: (wanted: SeedsWanted) => Tail[] | Error) {
  const asked: SeedsWanted[] = [];
  const fetch = async ([wanted]: readonly SeedsWanted[]): Promise<Tail[]> => {
    asked.push(wanted);
    const found = answer(wanted);
    if (found instanceof Error) throw found;
    return found;
  };
  return { asked, fetch };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

describe("seeds of long runs", () => {
  it("is the server's line with its band, asked for once", async () => {
    const { asked, fetch } = server(() => tails([0, 10, 20], 100_000));
    const exact = new ExactSeeds(fetch);
    let told = 0;
    const onData = () => told++;
    const look = () => exact.of(ASKED, "1", null, onData);
    expect(look()).toBeNull();
    expect(look()).toBeNull();
    await settled();
    expect(told).toBe(1);
    const found = look();
    await settled();
    expect(found?.line).toBe(found?.whole);
    expect(found?.line).toMatchObject({ n: 3, points: 100_000 });
    expect([...(found?.line.raw ?? [])]).toEqual([0, 20, 40]);
    expect([...(found?.line.low ?? [])]).toEqual([-1, 19, 39]);
    expect([...(found?.line.high ?? [])]).toEqual([1, 21, 41]);
    expect(asked).toEqual([
      { tag: "loss", runs: ["a", "b"], centre: "mean", band: "std", x: "step", superseded: false, buckets: { count: 1024 } },
    ]);
  });

  it("tells every chart that waits for it: a card, and what fills the window with the same", async () => {
    const { asked, fetch } = server(() => tails([0, 10], 100_000));
    const exact = new ExactSeeds(fetch);
    const told: string[] = [];
    const [card, full] = ["card", "full"].map((name) => () => void told.push(name));
    for (const onData of [card, full, card]) exact.of(ASKED, "1", null, onData);
    await settled();
    expect([told, asked.length]).toEqual([["card", "full"], 1]);
  });

  it("has no band where none is wanted, and the smoothed line where it is smoothed", async () => {
    const { asked, fetch } = server(() => tails([0, 1], 100_000, [0.5, 0.75]));
    const exact = new ExactSeeds(fetch);
    const wanted: SeedsAsked = { ...ASKED, band: "none", smooth: { kind: "ema", weight: 0.5, x: "step" } };
    exact.of(wanted, "1", null, () => {});
    await settled();
    const line = exact.of(wanted, "1", null, () => {})?.line;
    expect([line?.low, line?.high]).toEqual([undefined, undefined]);
    expect([...(line?.line ?? [])]).toEqual([0.5, 0.75]);
    expect(asked[0].smooth).toEqual({ kind: "ema", weight: 0.5, x: "step" });
  });

  it("asks for the detail of what is in view, and shows the whole until it has it", async () => {
    const { asked, fetch } = server(({ buckets }) => (buckets.lo === undefined ? tails([0, 100_000], 100_001) : tails([400, 410, 420], 100_001)));
    const exact = new ExactSeeds(fetch);
    const view = { lo: 400, hi: 420 };
    exact.of(ASKED, "1", view, () => {});
    await settled();
    const before = exact.of(ASKED, "1", view, () => {});
    expect([...(before?.line.step ?? [])]).toEqual([0, 100_000]);
    await settled();
    const after = exact.of(ASKED, "1", view, () => {});
    expect([...(after?.line.step ?? [])]).toEqual([400, 410, 420]);
    expect([...(after?.whole.step ?? [])]).toEqual([0, 100_000]);
    expect(asked.map(({ buckets }) => [buckets.lo, buckets.hi])).toEqual([
      [undefined, undefined],
      [390, 430],
    ]);
    expect(exact.of(ASKED, "1", { lo: 50_000, hi: 50_010 }, () => {})?.line).toBe(after?.whole);
  });

  it("asks a new question at once, and of what only grew shows what it had", async () => {
    const { asked, fetch } = server(() => tails([0, 1], 100_000));
    const exact = new ExactSeeds(fetch);
    exact.of(ASKED, "1", null, () => {});
    await settled();
    expect(exact.of(ASKED, "2", null, () => {})).not.toBeNull();
    expect(asked).toHaveLength(1);
    expect(exact.of({ ...ASKED, centre: "median" }, "2", null, () => {})).toBeNull();
    await settled();
    expect(asked.map(({ centre }) => centre)).toEqual(["mean", "median"]);
  });

  it("does not ask again what the server refused", async () => {
    const { asked, fetch } = server(() => new Error("too much"));
    const exact = new ExactSeeds(fetch);
    for (let i = 0; i < 5; i++) {
      expect(exact.of(ASKED, "1", null, () => {})).toBeNull();
      await settled();
    }
    expect(asked).toHaveLength(1);
  });
});
