// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import { SvgPen } from "../src/chart/svg";
import { csvField, fileName, toCsv, toJson } from "../src/chart/table";
import type { Trace } from "../src/chart/trace";

function trace(name: string, y: number[], line?: number[]): Trace {
  const xs = Float64Array.from([...y.keys(), 99]);
  const raw = Float64Array.from([...y, 99]);
  const wall = Float64Array.from([...y.keys(), 99], (i) => 1.5e9 + i / 4);
  return { name, colour: "#000", n: y.length, x: xs, origin: 0, rising: true, step: xs, wall, raw, line: line ? Float64Array.from(line) : raw };
}

describe("a downloaded table", () => {
  test("has every point, and none beyond", () => {
    expect(toCsv([trace("a", [1, NaN, Infinity]), trace("b", [-Infinity])])).toBe(
      "run,step,wall_time,value\na,0,1500000000,1\na,1,1500000000.25,NaN\na,2,1500000000.5,Infinity\nb,0,1500000000,-Infinity\n",
    );
  });

  test("has the smoothed values beside the raw ones", () => {
    expect(toCsv([trace("a", [1, 2], [1, 1.5])])).toBe(
      "run,step,wall_time,value,smoothed\na,0,1500000000,1,1\na,1,1500000000.25,2,1.5\n",
    );
  });

  test.each([
    ["plain", "plain"],
    ['a,"b"\nc', '"a,""b""\nc"'],
    ["=1+1", "'=1+1"],
    ["@x,y", `"'@x,y"`],
  ])("quotes the name %j, and lets no spreadsheet run it", (name, field) => {
    expect(csvField(name)).toBe(field);
  });

  test("is JSON that says what JSON has no number for", () => {
    const text = toJson("loss", [trace("a", [1, NaN, -Infinity])]);
    expect(JSON.parse(text)).toEqual({
      tag: "loss",
      runs: [{ run: "a", step: [0, 1, 2], wall_time: [1.5e9, 1.5e9 + 0.25, 1.5e9 + 0.5], value: [1, "NaN", "-Infinity"] }],
    });
  });

  test.each([
    ["train/loss", "train_loss.csv"],
    ["../x", "_x.csv"],
    ["a\u0000b:c", "a_b_c.csv"],
    ["...", "chart.csv"],
  ])("is named after the tag %j", (tag, name) => {
    expect(fileName(tag, "csv")).toBe(name);
  });
});

describe("an SVG", () => {
  const pen = (): SvgPen => new SvgPen((text) => ({ width: text.length * 6 }) as TextMetrics);

  test("holds what was drawn, in order, within its clip", () => {
    const one = pen();
    one.save();
    one.beginPath();
    one.rect(1, 2, 30, 40);
    one.clip();
    one.beginPath();
    one.moveTo(1, 2);
    one.lineTo(3.14159, 4);
    one.strokeStyle = "#f00";
    one.globalAlpha = 0.5;
    one.stroke();
    one.restore();
    one.globalAlpha = 1;
    one.textAlign = "right";
    one.fillText("0.5", 9, 9);
    expect(one.document(100, 50, "#fff", "loss")).toBe(
      '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50" viewBox="0 0 100 50" ' +
        'font-family="ui-sans-serif, system-ui, sans-serif" font-size="11" role="img"><title>loss</title>' +
        '<rect width="100" height="50" fill="#fff"/>' +
        '<clipPath id="clip0"><path d="M1 2h30v40h-30z"/></clipPath><g clip-path="url(#clip0)">' +
        '<path d="M1 2L3.14 4" fill="none" stroke="#f00" stroke-width="1" stroke-linejoin="miter" opacity="0.5"/></g>' +
        '<text x="9" y="9" fill="#000" text-anchor="end">0.5</text></svg>\n',
    );
  });

  test("is well formed whatever the tag is called", () => {
    const text = pen().document(1, 1, "#fff", '</title><script>alert("1")</script>\u0000&');
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    expect(parsed.querySelector("parsererror, script")).toBeNull();
    expect(parsed.querySelector("title")?.textContent).toBe('</title><script>alert("1")</script>&');
  });
});
