import { expect, it } from "vitest";
import { moved, showing, zoomed } from "../src/dash/audio/part";
import { fromWav } from "../src/dash/audio/wav";

/** A WAV of some kind: 1 whole numbers, 3 floats. */
function wav(kind: number, bits: number, channels: number, put: (view: DataView, at: number, value: number) => void, values: number[]): DataView {
  const width = bits / 8;
  const view = new DataView(new ArrayBuffer(44 + values.length * width));
  const text = (at: number, letters: string): void => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + values.length * width, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, kind, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 8000 * width * channels, true);
  view.setUint16(32, width * channels, true);
  view.setUint16(34, bits, true);
  text(36, "data");
  view.setUint32(40, values.length * width, true);
  values.forEach((value, i) => put(view, 44 + i * width, value));
  return view;
}

it("samples of 8, 16, 24 and 32 bits and floats are the numbers that were written", () => {
  const wanted = [-1, -0.5, 0, 0.25];
  const whole = (bits: number) => wanted.map((value) => value * 2 ** (bits - 1));
  const files = [
    wav(1, 8, 1, (view, at, value) => view.setUint8(at, value + 128), whole(8)),
    wav(1, 16, 1, (view, at, value) => view.setInt16(at, value, true), whole(16)),
    wav(1, 24, 1, (view, at, value) => (view.setUint16(at, value & 0xffff, true), view.setInt8(at + 2, value >> 16)), whole(24)),
    wav(1, 32, 1, (view, at, value) => view.setInt32(at, value, true), whole(32)),
    wav(3, 32, 1, (view, at, value) => view.setFloat32(at, value, true), wanted),
    wav(3, 64, 1, (view, at, value) => view.setFloat64(at, value, true), wanted),
  ];
  for (const file of files) expect([...fromWav(file).channels[0]]).toEqual(wanted);
});

it("eight channels are taken apart", () => {
  const values = Array.from({ length: 24 }, (_, i) => i / 64);
  const { channels } = fromWav(wav(3, 32, 8, (view, at, value) => view.setFloat32(at, value, true), values));
  expect(channels.map((one) => [...one].map((value) => value * 64))).toEqual(Array.from({ length: 8 }, (_, c) => [c, c + 8, c + 16]));
});

it("a zoom keeps the sample under the pointer, and ends with the sound", () => {
  const all = { from: 0, to: 1000 };
  const part = zoomed(all, 1000, 250, 2);
  expect(part).toEqual({ from: 125, to: 625 });
  expect(zoomed(part, 1000, 250, 0.5)).toEqual(all);
  expect(zoomed(all, 1000, 1000, 1e9)).toEqual({ from: 968, to: 1000 });
  expect(zoomed({ from: 0, to: 10 }, 10, 5, 4)).toEqual({ from: 0, to: 10 });
  expect(moved(part, 1000, 900)).toEqual({ from: 500, to: 1000 });
  expect(showing(part, 1000, 300)).toBe(part);
  expect(showing(part, 1000, 20)).toEqual({ from: 20, to: 520 });
});
