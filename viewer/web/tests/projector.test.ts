import { describe, expect, test } from "vitest";
import { along, centre, heardAxis, ranked, saidAxis, spherical, together } from "../src/dash/projector/axes";
import { distanceOf, heard, matrixOf, orbited, panned, said, START, START_FLAT, zoomed, type Camera } from "../src/dash/projector/camera";
import { decoded, type Column } from "../src/dash/projector/fetch";
import { looksOf, sizeOf } from "../src/dash/projector/looks";
import { fitted, inside, nearestAt, onScreen, Room } from "../src/dash/projector/places";
import { sampled, seeded } from "../src/dash/projector/random";
import { heardRows, saidRows } from "../src/dash/projector/ranges";
import { search, testOf } from "../src/dash/projector/search";
import { coloursOf, MOST_CATEGORIES, shadingOf, unshaded, usualColour } from "../src/dash/projector/shades";
import { HUES } from "../src/chart/palette";

const [W, H] = [800, 400];
const column = (name: string, values: readonly string[]): Column => {
  const numbers = Float64Array.from(values, (value) => (value === "" ? NaN : Number(value)));
  return { name, values, numbers: values.every((value) => value === "" || Number.isFinite(Number(value))) ? numbers : null };
};

function seen(camera: Camera, flat: boolean, point: readonly [number, number, number]): number[] {
  return [...onScreen(Float32Array.of(...point), matrixOf(camera, W, H, flat), W, H, null)];
}

describe("the camera", () => {
  test("shows the origin in the middle, right to the right and up above, flat or not", () => {
    for (const flat of [true, false]) {
      const camera = { ...START_FLAT };
      expect(seen(camera, flat, [0, 0, 0]).slice(0, 2)).toEqual([W / 2, H / 2]);
      const [x, y] = seen(camera, flat, [0.5, 0.25, 0]);
      expect(x - W / 2).toBeCloseTo(0.5 * (H / 2 / 1.08), 3);
      expect(H / 2 - y).toBeCloseTo(0.25 * (H / 2 / 1.08), 3);
    }
  });

  test("turned by a quarter to the left shows what was in front on the right", () => {
    const turned = orbited(START_FLAT, -Math.PI / 2, 0);
    const [x, y] = seen(turned, false, [0, 0, 0.5]);
    expect(x).toBeGreaterThan(W / 2 + 50);
    expect(y).toBeCloseTo(H / 2, 3);
    expect(orbited(START, 0, 99).pitch).toBe(Math.PI / 2);
  });

  test("paints what is nearer in front: its depth is less", () => {
    expect(seen(START_FLAT, false, [0, 0, 0.5])[2]).toBeLessThan(seen(START_FLAT, false, [0, 0, -0.5])[2]);
  });

  test("does not show what is behind it", () => {
    const close = { ...START_FLAT, zoom: 100 };
    expect(seen(close, false, [0, 0, 1])[0]).toBeNaN();
    expect(distanceOf(close)).toBeLessThan(1);
  });

  test("panned moves the middle by as many pixels as the hand", () => {
    for (const flat of [true, false]) {
      const [x, y] = seen(panned(flat ? START_FLAT : START, 30, -20, W, H, flat), flat, [0, 0, 0]);
      expect(x).toBeCloseTo(W / 2 + 30, 3);
      expect(y).toBeCloseTo(H / 2 - 20, 3);
    }
  });

  test("zooms about a place that stays where it is", () => {
    const point = [0.4, -0.3, 0] as const;
    const [x, y] = seen(START_FLAT, true, point);
    const [ax, ay] = seen(zoomed(START_FLAT, 3, x - W / 2, y - H / 2, W, H, true), true, point);
    expect([ax, ay]).toEqual([expect.closeTo(x, 2), expect.closeTo(y, 2)]);
  });

  test("stands in the address, and what means nothing there is passed over", () => {
    const camera: Camera = { yaw: 1.25, pitch: -0.5, zoom: 2, at: [0.1, 0, -0.2] };
    expect(said(camera)).toBe("1.25,-0.5,2,0.1,0,-0.2");
    expect(heard(said(camera))).toEqual(camera);
    for (const text of ["", "1,2", "1,2,3,4,5,x", "NaN,0,1,0,0,0"]) expect(heard(text)).toBeNull();
  });
});

describe("places", () => {
  test("are fitted: the widest side reaches from -1 to 1, the others as they are to it, and NaN stays NaN", () => {
    const { places, middle, scale } = fitted(Float32Array.of(0, 10, 5, 8, 12, 5, NaN, 0, 0));
    expect(middle).toEqual([4, 6, 2.5]);
    expect(scale).toBeCloseTo(1 / 6);
    expect([...places.slice(0, 6)]).toEqual([-4, 4, 2.5, 4, 6, 2.5].map((one) => expect.closeTo(one / 6, 5)));
    expect(places[6]).toBeNaN();
    expect(fitted(Float32Array.of(1, 1, 1)).places).toEqual(Float32Array.of(0, 0, 0));
  });

  const SCREEN = Float32Array.of(10, 10, 0.5, 50, 50, 0.5, 50, 50, 0.2, NaN, NaN, NaN);

  test("the nearest is found, of equal ones the foremost, and none beyond reach", () => {
    expect(nearestAt(SCREEN, 12, 11, 8)).toBe(0);
    expect(nearestAt(SCREEN, 51, 50, 8)).toBe(2);
    expect(nearestAt(SCREEN, 30, 30, 8)).toBe(-1);
  });

  test("a box takes what is in it, from whichever corner; a lasso by its sides", () => {
    expect(inside(SCREEN, [[60, 60], [0, 0]])).toEqual([0, 1, 2]);
    expect(inside(SCREEN, [[0, 0], [20, 20]])).toEqual([0]);
    const bow = [[0, 0], [60, 0], [60, 60], [40, 60], [40, 20], [0, 20]] as const;
    expect(inside(SCREEN, bow)).toEqual([0, 1, 2]);
    expect(inside(SCREEN, [[0, 0], [60, 60], [0, 60]])).not.toContain(3);
    expect(inside(SCREEN, [[0, 20], [60, 20], [60, 40], [0, 40]])).toEqual([]);
  });

  test("hidden points are nowhere", () => {
    const screen = onScreen(Float32Array.of(0, 0, 0, 0.1, 0, 0), matrixOf(START_FLAT, W, H, true), W, H, Uint8Array.of(0, 1));
    expect(screen[0]).toBeNaN();
    expect(screen[3]).not.toBeNaN();
  });

  test("names have room beside each other and not over each other", () => {
    const room = new Room();
    expect(room.take(0, 0, 100, 14)).toBe(true);
    expect(room.take(90, 5, 40, 14)).toBe(false);
    expect(room.take(101, 0, 40, 14)).toBe(true);
    expect(room.take(0, 14, 100, 14)).toBe(true);
  });
});

describe("rows in the address", () => {
  test("stand as ranges", () => {
    expect(saidRows([9, 1, 2, 3, 3])).toBe("1-3,9");
    expect(heardRows("1-3,9")).toEqual([1, 2, 3, 9]);
  });

  test("that mean nothing, or far too many, are none", () => {
    for (const text of ["", "a", "3-1", "1,,2", "0-999999999"]) expect(heardRows(text)).toBeNull();
  });
});

describe("colours", () => {
  test("a few values have a hue each, in their order, with their counts", () => {
    const shading = shadingOf(column("digit", ["10", "2", "2", "x"]), "auto");
    expect(shading.entries.map(({ value, rows, hue }) => [value, rows, hue])).toEqual([["2", 2, 0], ["10", 1, 1], ["x", 1, 2]]);
    const colours = coloursOf(shading, true, "#000000");
    expect([...colours.slice(3, 6)]).toEqual([0x21, 0x78, 0xfc]);
    expect(HUES[0].dark).toBe("#2178fc");
  });

  test("beyond the hues there are the other shapes, and beyond those the most frequent values are named", () => {
    const values = Array.from({ length: 60 }, (_, i) => `v${i}`).concat(Array.from({ length: 5 }, () => "v59"));
    const shading = shadingOf(column("name", values), "auto");
    expect(shading.entries).toHaveLength(MOST_CATEGORIES);
    expect(shading.entries.some(({ value, rows }) => value === "v59" && rows === 6)).toBe(true);
    expect(new Set(shading.entries.map(({ hue, shape }) => `${hue} ${shape}`)).size).toBe(MOST_CATEGORIES);
    expect([...shading.of].filter((entry) => entry < 0)).toHaveLength(20);
  });

  test("many numbers make a scale, by the logarithm where they are far apart; asked for, they are categories", () => {
    const numbers = column("loss", Array.from({ length: 30 }, (_, i) => String(i + 1)));
    const shading = shadingOf(numbers, "auto");
    expect([shading.kind, shading.lo, shading.hi, shading.logarithmic, shading.of[0], shading.of[29]]).toEqual(["scale", 1, 30, false, 0, 255]);
    expect(shadingOf(numbers, "categories").kind).toBe("categories");
    expect(shadingOf(column("rate", ["0.0001", "1", "0.01", ""]), "scale")).toMatchObject({ logarithmic: true, of: Int32Array.of(0, 255, 128, -1) });
  });

  test("by itself the first column is chosen that tells groups apart", () => {
    const rows = Array.from({ length: 100 }, (_, i) => i);
    const found = usualColour([column("id", rows.map(String)), column("same", rows.map(() => "a")), column("class", rows.map((i) => `c${i % 3}`))]);
    expect(found?.name).toBe("class");
    expect([...coloursOf(unshaded(1), true, "#010203")]).toEqual([1, 2, 3]);
  });
});

describe("looks", () => {
  const base = { colours: new Uint8Array(9).fill(7), shading: shadingOf(column("c", ["a", "b", "a"]), "auto"), coordinates: Float32Array.of(0, 0, 0, 1, 1, 1, NaN, 0, 0), only: new Set<string>(), front: null, alone: null, large: new Set<number>() };

  test("points without a place are not seen", () => {
    expect([...looksOf(base).shown]).toEqual([1, 1, 0]);
    expect(looksOf(base).count).toBe(2);
  });

  test("what does not stand out is faint; what is not isolated is gone", () => {
    const opacity = (looks: { colours: Uint8Array }): number[] => [3, 7].map((at) => looks.colours[at]);
    expect(opacity(looksOf(base))).toEqual([255, 255]);
    expect(opacity(looksOf({ ...base, only: new Set(["a"]) }))).toEqual([255, 40]);
    expect(opacity(looksOf({ ...base, front: new Set([1]) }))).toEqual([40, 255]);
    expect([...looksOf({ ...base, alone: new Set([1]) }).shown]).toEqual([0, 1, 0]);
  });

  test("the more points, the smaller", () => {
    expect([10, 1_000, 100_000].map((count) => sizeOf(count, false))).toEqual([9, expect.closeTo(7.2), expect.closeTo(3)]);
    expect(sizeOf(100, true)).toBeGreaterThan(20);
  });
});

describe("axes of one's own", () => {
  const vectors = { values: Float32Array.of(0, 0, 2, 0, 1, 5, NaN, 1), columns: 2 };

  test("go from one centre to the other, 0 to 1", () => {
    const [from, to] = [centre(vectors, [0]), centre(vectors, [1])];
    expect([...along(vectors, from!, to!)].slice(0, 3)).toEqual([0, 1, 0.5]);
    expect(centre(vectors, [0, 1, 3])).toEqual(Float64Array.of(1, 0));
    expect(centre(vectors, [3])).toBeNull();
  });

  test("stand in the address", () => {
    for (const text of ["d5", "c:digit", "q:one\ntwo", ""]) expect(saidAxis(heardAxis(text))).toBe(text);
    expect(heardAxis("nonsense")).toEqual({ kind: "none" });
  });

  test("reach equally far, whatever they measure; a text's values stand in their order", () => {
    const ranks = ranked(column("c", ["b", "a", "b"]));
    expect([...ranks]).toEqual([1, 0, 1]);
    expect([...together([Float64Array.of(0, 100, NaN), ranks, null], 3)]).toEqual([-1, 1, 0, 1, -1, 0, NaN, 1, 0]);
  });

  test("a ball has its mean in the middle and every point at 1", () => {
    const { values } = spherical({ values: Float32Array.of(0, 0, 2, 0, 1, 3), columns: 2 });
    for (let i = 0; i < 6; i += 2) expect(Math.hypot(values[i], values[i + 1])).toBeCloseTo(1, 5);
  });
});

describe("samples", () => {
  test("take one of each stretch, the same ones each time", () => {
    const rows = sampled(1_000, 10);
    expect([...rows].map((row) => Math.floor(row / 100))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sampled(1_000, 10)).toEqual(rows);
    expect([...sampled(3, 10)]).toEqual([0, 1, 2]);
    expect(seeded(1)()).toBe(seeded(1)());
  });
});

describe("the search", () => {
  const columns = [column("a", ["Cat", "dog", "c+t"]), column("b", ["1", "cat", "3"])];
  const found = (query: string, regex: boolean): Promise<number[]> =>
    new Promise((done) => search(columns, 3, testOf(query, regex).test!, (rows, all) => all && done(rows)));

  test("finds a text as it stands, in any case and column, and a regex as one", async () => {
    expect(await found("CAT", false)).toEqual([0, 1]);
    expect(await found("c+t", false)).toEqual([2]);
    expect(await found("^c.?t$", true)).toEqual([0, 1, 2]);
  });

  test("says what is wrong with a regex", () => {
    expect(testOf("(", true).error).toMatch(/group/i);
  });
});

describe("frames", () => {
  test("hold the columns that their header names, and are refused where they are none", () => {
    const head = new TextEncoder().encode(JSON.stringify({ shown: 2, columns: { points: { at: 0, type: "f4" } } }).padEnd(64));
    const buffer = new ArrayBuffer(8 + 64 + 8);
    new Uint8Array(buffer).set([..."TLP1"].map((letter) => letter.charCodeAt(0)));
    new DataView(buffer).setUint32(4, 64, true);
    new Uint8Array(buffer).set(head, 8);
    new Float32Array(buffer, 72).set([1.5, 2.5]);
    expect([...(decoded<{ shown: number }>(buffer, ({ shown }) => shown).columns["points"] ?? [])]).toEqual([1.5, 2.5]);
    expect(() => decoded(new ArrayBuffer(4), () => 0)).toThrow("TLP1");
  });
});
