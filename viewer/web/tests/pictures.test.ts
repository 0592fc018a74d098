import { describe, expect, test } from "vitest";
import { fitted, inSight, LABEL_PX } from "../src/dash/images/fit";
import { Pictures, type Picture, type Place } from "../src/dash/images/pictures";
import { crc32 } from "../src/dash/images/zip";
import { Zoom } from "../src/dash/images/zoom.svelte";
import { fromWav } from "../src/dash/audio/wav";
import { magnitudes } from "../src/dash/audio/spectrum";

const PLACE: Place = { run: "a", tag: "b", step: 1, wall: 2, n: 0 };

describe("pictures", () => {
  test("fill their card: four square ones in a square card stand two by two, wide ones one below the other", () => {
    expect(fitted(4, 400, 400 + 2 * LABEL_PX, 1).columns).toBe(2);
    expect(fitted(3, 400, 400, 4).columns).toBe(1);
  });

  test("are in the page where they are in sight, and one more on each side", () => {
    expect(inSight(1000, 300, 100, 50)).toEqual([9, 14]);
    expect(inSight(0, 300, 100, 2)).toEqual([0, 2]);
  });

  test("keep under the pointer what is there when one goes nearer", () => {
    const zoom = new Zoom();
    const [box, of] = [{ width: 200, height: 100 }, { width: 400, height: 400 }];
    const place = (): number => (130 - zoom.lay(box, of, false).left) / (of.width * zoom.lay(box, of, false).scale);
    const before = place();
    zoom.by(8, 130, 50, box, of, false);
    expect(place()).toBeCloseTo(before, 9);
  });

  test("that nobody waits for any more are not fetched", async () => {
    let stopped = false;
    const pictures = new Pictures((_place, _large, signal) => {
      signal.addEventListener("abort", () => (stopped = true));
      return new Promise<Picture>((_, fail) => signal.addEventListener("abort", () => fail(new Error("stopped"))));
    });
    const [first, second] = [pictures.hold(PLACE), pictures.hold(PLACE)];
    first.release();
    expect(stopped).toBe(false);
    second.release();
    expect(stopped).toBe(true);
    await expect(second.promise).rejects.toThrow("stopped");
  });

  test("go into archives under the checksum that the format names", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });
});

describe("sounds", () => {
  test("of 24 bits keep their sign", () => {
    const bytes = new DataView(new ArrayBuffer(44 + 6));
    [..."RIFF"].forEach((letter, i) => bytes.setUint8(i, letter.charCodeAt(0)));
    [..."WAVEfmt "].forEach((letter, i) => bytes.setUint8(8 + i, letter.charCodeAt(0)));
    bytes.setUint32(16, 16, true);
    bytes.setUint16(20, 1, true);
    bytes.setUint16(22, 1, true);
    bytes.setUint32(24, 8000, true);
    bytes.setUint16(34, 24, true);
    [..."data"].forEach((letter, i) => bytes.setUint8(36 + i, letter.charCodeAt(0)));
    bytes.setUint32(40, 6, true);
    bytes.setUint8(46, 0x40);
    bytes.setUint8(49, 0xc0);
    expect([...fromWav(bytes).channels[0]]).toEqual([0.5, -0.5]);
  });

  test("of one frequency have all their magnitude there", () => {
    const [re, im] = [Float64Array.from({ length: 64 }, (_, i) => Math.sin((2 * Math.PI * 5 * i) / 64)), new Float64Array(64)];
    magnitudes(re, im);
    expect(re[5]).toBeCloseTo(32, 9);
    expect(re[4]).toBeCloseTo(0, 9);
  });
});
