import { beforeEach, describe, expect, test, vi } from "vitest";
import { arrange, between, type Measures } from "../src/cards/arrange";
import { groupTags, titleIn, type Grouping } from "../src/cards/groups";
import { pinCodec, spelled } from "../src/cards/pins";
import { Pegs } from "../src/chart/pegs";
import { tagsIn } from "../src/dash/scalars/charts.svelte";
import { settled } from "../src/dash/scalars/spec";

const named = (tags: string[], by?: Grouping): [string, string[]][] => groupTags(tags, by).map(({ name, tags }) => [name, tags]);

describe("groups of tags", () => {
  test("are the parts before the first slash, in natural order", () => {
    expect(named(["train/loss", "layer10/norm", "layer2/norm", "train/a/b"])).toEqual([
      ["layer2", ["layer2/norm"]],
      ["layer10", ["layer10/norm"]],
      ["train", ["train/a/b", "train/loss"]],
    ]);
  });

  test("take in a tag of their own name; other bare tags stand together at the top", () => {
    expect(groupTags(["loss", "loss/train", "epoch_loss", "epoch_accuracy"])).toEqual([
      { name: "", title: "top level", tags: ["epoch_accuracy", "epoch_loss"] },
      { name: "loss", title: "loss", tags: ["loss", "loss/train"] },
    ]);
  });

  test("exist for a leading slash and for the empty rest behind one", () => {
    expect(named(["/metrics/a", "x/"])).toEqual([
      ["/metrics", ["/metrics/a"]],
      ["x", ["x/"]],
    ]);
  });

  const deep = ["net/enc/0/w", "net/enc/1/w", "net/dec/w", "net/w", "lr"];

  test("may be the first two parts, or all but the last", () => {
    expect(named(deep, "second")).toEqual([
      ["", ["lr"]],
      ["net", ["net/w"]],
      ["net/dec", ["net/dec/w"]],
      ["net/enc", ["net/enc/0/w", "net/enc/1/w"]],
    ]);
    expect(named(deep, "folder").map(([name]) => name)).toEqual(["", "net", "net/dec", "net/enc/0", "net/enc/1"]);
  });

  test("by the last part put train/loss beside val/loss, and what no other tag ends in together", () => {
    expect(groupTags(["train/loss", "val/loss", "loss", "train/acc", "lr", "x/"], "last")).toEqual([
      { name: "", title: "others", tags: ["lr", "train/acc", "x/"] },
      { name: "loss", title: "loss", tags: ["loss", "train/loss", "val/loss"] },
    ]);
  });

  test("can be one, and none of nothing", () => {
    expect(named(["b/x", "a"], "none")).toEqual([["", ["a", "b/x"]]]);
    expect(groupTags([], "none")).toEqual([]);
  });

  test("leave a card the part of its tag that they do not say", () => {
    expect(titleIn("train", "first", "train/a/b")).toEqual(["train/", "a/b", ""]);
    expect(titleIn("loss", "first", "loss")).toEqual(["", "loss", ""]);
    expect(titleIn("loss", "last", "train/loss")).toEqual(["", "train", "/loss"]);
    expect(titleIn("loss", "last", "loss")).toEqual(["", "loss", ""]);
    expect(titleIn("\0pinned", "last", "train/loss")).toEqual(["", "train/loss", ""]);
  });
});

describe("the board", () => {
  const m: Measures = { columns: 3, card: 200, wide: 500, head: 40, gap: 10 };
  const sizes = [7, 0, 4];
  const wide = new Set(["0:4"]);
  const blocks = arrange(
    sizes.map((count, group) => ({ group, count })),
    m,
    ({ group }) => group === 1,
    ({ group, count }) => Array.from({ length: count }, (_, i) => wide.has(`${group}:${i}`)),
  );

  test("puts cards in rows, and a wide one in a row of its own", () => {
    expect(blocks[0].rows.map(({ from, to, top, height }) => [from, to, top, height])).toEqual([
      [0, 3, 0, 210],
      [3, 4, 210, 210],
      [4, 5, 420, 510],
      [5, 7, 930, 210],
    ]);
    expect(blocks.map(({ top, height }) => [top, height])).toEqual([
      [0, 1180],
      [1180, 40],
      [1220, 460],
    ]);
  });

  test("puts small groups side by side, as high as the highest, and folding moves none to another row", () => {
    const counts = [1, 2, 1, 1, 2, 3, 1];
    const place = (folded: (i: number) => boolean): number[][] =>
      arrange(
        counts.map((_, i) => i),
        m,
        folded,
        (i) => Array.from({ length: counts[i] }, () => i === 6),
      ).map(({ top, height, columns }) => [top, height, columns]);
    expect(place(() => false)).toEqual([
      [0, 250, 1],
      [0, 250, 2],
      [250, 250, 1],
      [250, 250, 1],
      [500, 250, 2],
      [750, 250, 3],
      [1000, 550, 3],
    ]);
    expect(place((i) => i === 0 || i === 2 || i === 3).map(([top, height]) => [top, height])).toEqual([
      [0, 250],
      [0, 250],
      [250, 40],
      [250, 40],
      [290, 250],
      [540, 250],
      [790, 550],
    ]);
  });

  test("leaves out and keeps whole rows of small groups together", () => {
    const small = arrange([1, 1, 1, 1, 1, 1, 1], m, (group) => group === 0, () => [false]);
    const { above, parts, below } = between(small, m, 260, 300);
    expect([above, parts.length, below]).toEqual([250, 3, 250]);
  });

  test("draws the rows within two heights, and keeps the room of all others", () => {
    for (let lo = -300; lo < 1800; lo += 37) {
      const { above, parts, below } = between(blocks, m, lo, lo + 400);
      const room = parts.reduce((sum, { group, folded, before, from, to, behind }) => {
        const rows = blocks[group.group].rows.filter((row) => row.from >= from && row.to <= to);
        return sum + m.head + (folded ? 0 : before + rows.reduce((all, { height }) => all + height, 0) + behind);
      }, 0);
      if (parts.length > 0) expect(above + room + below).toBe(1680);
    }
  });

  test("draws all of it when all is asked for", () => {
    expect(between(blocks, m, -1, Infinity)).toMatchObject({ above: 0, below: 0, parts: [{ from: 0, to: 7, before: 0, behind: 0 }, {}, { from: 0, to: 4 }] });
  });

  test("is looked through fast with five thousand groups of one", () => {
    const groups = Array.from({ length: 5_000 }, () => 1);
    const many = arrange(groups, m, () => false, () => [false]);
    expect(between(many, m, 100_000, 101_000).parts.length).toBeLessThan(24);
  });
});

describe("pins", () => {
  beforeEach(() => {
    const store = new Map<string, string>();
    vi.stubGlobal("localStorage", { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, value: string) => void store.set(key, value) });
  });

  test("stand in the address in their order, whatever they are called", () => {
    const pins = ["val/loss", "#~00000000", "##", "a b&c=d", "train/loss"];
    expect(pinCodec.decode(pinCodec.encode(pins))).toEqual(pins);
    expect(pinCodec.decode(["a", "", "a", "b"])).toEqual(["a", "b"]);
  });

  test("that are many leave a short mark there, and come back by it", () => {
    const pins = Array.from({ length: 300 }, (_, i) => `layer/${i}/norm`);
    const encoded = pinCodec.encode(pins);
    expect(encoded).toHaveLength(1);
    expect(encoded[0]).toMatch(/^#~[0-9a-f]{8}$/);
    expect(pinCodec.decode(encoded)).toEqual(pins);
    expect(pinCodec.decode(spelled(pins))).toEqual(pins);
  });

  test("are all spelled out where the browser keeps nothing, and none when it lost them", () => {
    const pins = Array.from({ length: 300 }, (_, i) => `layer/${i}/norm`);
    vi.stubGlobal("localStorage", {
      getItem: () => "no JSON",
      setItem: () => {
        throw new Error("forbidden");
      },
    });
    expect(pinCodec.encode(pins)).toEqual(pins);
    expect(pinCodec.decode(["#~12345678"])).toEqual([]);
  });
});

describe("a chart of several tags", () => {
  const all = ["val/loss", "train/loss10", "train/loss2", "lr"];

  test("holds what was named, and then whatever its regex matches, in natural order", () => {
    expect(tagsIn({ tags: ["lr"] }, all)).toEqual(["lr"]);
    expect(tagsIn({ tags: ["val/loss"], pattern: "LOSS" }, all)).toEqual(["val/loss", "train/loss2", "train/loss10"]);
    expect(tagsIn({ tags: [], pattern: "none" }, all)).toEqual([]);
  });

  test("has a bounded number of tags, and a regex that explodes does not hang it", () => {
    const many = Array.from({ length: 500 }, (_, i) => `m/${i}`);
    expect(tagsIn({ tags: ["lr"], pattern: "m/" }, many)).toEqual(["lr", ...many.slice(0, 99)]);
    expect(tagsIn({ tags: ["lr"], pattern: "(a+)+$" }, [`${"a".repeat(60)}b`])).toEqual(["lr"]);
    expect(tagsIn({ tags: ["lr"], pattern: "loss(" }, all)).toEqual(["lr"]);
  });
});

describe("pins", () => {
  test("of a chart that comes back stand on the axis they were made on", () => {
    const kept = new Pegs();
    kept.set("loss", "step", [{ x: 5, lead: "a" }]);
    expect([kept.get("loss", "step"), kept.get("loss", "wall"), kept.get("other", "step")]).toEqual([[{ x: 5, lead: "a" }], [], []]);
    kept.set("loss", "step", []);
    expect(kept.get("loss", "step")).toEqual([]);
  });
});

describe("what a card is made of", () => {
  const parts = [{ tag: "loss", runs: ["a", "b"], dash: [4, 2], lower: "low" }];

  test("stays the very same where new lists say the same", () => {
    expect(settled(parts, structuredClone(parts))).toBe(parts);
  });

  test("changes with each of its runs, their order, its tags, dashes and bounds", () => {
    const [part] = parts;
    const others = [
      [{ ...part, runs: ["a"] }],
      [{ ...part, runs: ["b", "a"] }],
      [{ ...part, tag: "accuracy" }],
      [{ ...part, dash: [4, 3] }],
      [{ ...part, lower: "least" }],
      [{ ...part, upper: "high" }],
      [part, part],
      [],
    ];
    for (const other of others) expect(settled(parts, other)).toBe(other);
  });
});
