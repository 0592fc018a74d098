import { describe, expect, test } from "vitest";
import { BadFrame, decodeFrame } from "../src/data/wire";

function bytes(...hex: string[]): ArrayBuffer {
  return Uint8Array.from(hex.join("").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)).buffer;
}

function text(value: string): string {
  return [...new TextEncoder().encode(value)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A frame with this header and these columns; the header's length word is written by hand where given. */
function frame(header: string, columns: string, length = header.length): ArrayBuffer {
  const word = length.toString(16).padStart(8, "0").match(/../g) ?? [];
  return bytes("544c5931", word.reverse().join(""), text(header), columns);
}

function entry(fields: string): string {
  const header = `{"v":1,"order":"little","series":[${fields}]}`;
  return header.padEnd(header.length + ((8 - (header.length % 8)) % 8));
}

// Written out from the IEEE 754 layout, least byte first: 0, 1, 2 as doubles; 1.5, NaN, -Infinity as singles.
const STEPS = "0000000000000000 000000000000f03f 0000000000000040".replaceAll(" ", "");
const SINGLES = "0000c03f 0000c07f 000080ff 00000000".replaceAll(" ", "");

describe("a TLY1 frame", () => {
  test("gives steps, times and values bit for bit, with NaN and infinity, from golden bytes", () => {
    const header = entry(
      '{"run":"lr=0.1/träin","tag":"loss","since":4,"n":3,"total":7,"step":{"at":0,"type":"f8"},"wall":{"at":0,"type":"f8"},"value":{"at":24,"type":"f4"}}',
    );
    const padded = header.padEnd(header.length + ((8 - (new TextEncoder().encode(header).length % 8)) % 8));
    const [tail] = decodeFrame(frame(padded, STEPS + SINGLES, new TextEncoder().encode(padded).length));
    expect(tail.run).toBe("lr=0.1/träin");
    expect(tail.tag).toBe("loss");
    expect([tail.since, tail.total]).toEqual([4, 7]);
    expect([...tail.step]).toEqual([0, 1, 2]);
    expect([...tail.wall]).toEqual([0, 1, 2]);
    expect([...tail.value]).toEqual([1.5, NaN, -Infinity]);
    expect(tail.value).toBeInstanceOf(Float32Array);
  });

  test("stores a shared column once, and both names show the same bytes without a copy", () => {
    const header = entry(
      '{"run":"a","tag":"t","since":0,"n":3,"total":3,"step":{"at":0,"type":"f8"},"wall":{"at":0,"type":"f8"},"value":{"at":0,"type":"f8"}}',
    );
    const buffer = frame(header, STEPS);
    const [tail] = decodeFrame(buffer);
    expect(tail.step.buffer).toBe(buffer);
    expect(tail.value.byteOffset).toBe(tail.step.byteOffset);
  });

  test("with an unknown series has no points of it, whatever its columns say", () => {
    const header = entry(
      '{"run":"a","tag":"t","since":0,"n":0,"total":0,"step":{"at":0,"type":"f8"},"wall":{"at":0,"type":"f8"},"value":{"at":0,"type":"f4"}}',
    );
    const [tail] = decodeFrame(frame(header, ""));
    expect([tail.step.length, tail.wall.length, tail.value.length, tail.total]).toEqual([0, 0, 0, 0]);
  });

  test("without series is an empty list", () => {
    expect(decodeFrame(frame(entry(""), ""))).toEqual([]);
  });

  test.each([
    ["nothing", bytes("")],
    ["half a word", bytes("544c59")],
    ["another magic", bytes("504b0304", "00000000")],
    ["a header longer than the answer", frame(entry(""), "", 4096)],
    ["a header that breaks the alignment", frame("{} ", "")],
    ["a later version", frame(entry("").replace('"v":1', '"v":2'), "")],
    ["big-endian columns", frame('{"v":1,"order":"big","series":[]}'.padEnd(40), "")],
    [
      "a column beyond the end",
      frame(
        entry(
          '{"run":"a","tag":"t","since":0,"n":4,"total":4,"step":{"at":0,"type":"f8"},"wall":{"at":0,"type":"f8"},"value":{"at":0,"type":"f4"}}',
        ),
        STEPS,
      ),
    ],
    [
      "a column of another type",
      frame(
        entry(
          '{"run":"a","tag":"t","since":0,"n":1,"total":1,"step":{"at":0,"type":"i8"},"wall":{"at":0,"type":"f8"},"value":{"at":0,"type":"f4"}}',
        ),
        STEPS,
      ),
    ],
  ])("is refused when it is %s", (_, buffer) => {
    expect(() => decodeFrame(buffer)).toThrow(BadFrame);
  });
});
