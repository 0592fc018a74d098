import { describe, expect, test } from "vitest";
import { axesOf, halfHeight, isPose, panned, rounded, turned, USUAL, zoomed } from "../src/dash/meshes/camera";
import { configOf } from "../src/dash/meshes/config";
import { ballOf, boundsOf, cornerOf, edgesOf, faceAt, finiteIn, inBall, normalsOf, pointAt, union } from "../src/dash/meshes/geometry";
import { gridOf, strideOf } from "../src/dash/meshes/ground";
import { Meshes } from "../src/dash/meshes/held.svelte";
import { partOf, sourcesOf } from "../src/dash/meshes/names";
import { plyOf } from "../src/dash/meshes/ply";
import { decodeMesh, type Mesh, type Place } from "../src/dash/meshes/wire";

const PLACE: Place = { run: "a", n: 0, parts: [["m_VERTEX", 1, 2]] };
const TRIANGLE = new Float32Array([0, 0, 0, 2, 0, 0, 0, 2, 0]);

describe("the parts of a mesh", () => {
  test("are told from their tags, as TensorBoard's and torch's writers end them", () => {
    expect(partOf("a/b_VERTEX")).toEqual({ name: "a/b", kind: "vertices" });
    expect(partOf("b_3")).toEqual({ name: "b", kind: "colors" });
    expect(partOf("two\nlines_FACE")).toEqual({ name: "two\nlines", kind: "faces" });
    expect(partOf("b_4")).toEqual({ name: "b_4", kind: "vertices" });
  });

  test("come together by mesh and run", () => {
    const tags = new Map([
      ["m_VERTEX", ["one", "two"]],
      ["m_1", ["two", "three"]],
      ["m_FACE", ["two"]],
    ]);
    const found = sourcesOf(tags, (run) => run !== "one").get("m");
    expect(found?.map(({ run, tags }) => [run, tags])).toEqual([
      ["two", { vertices: "m_VERTEX", faces: "m_FACE" }],
      ["three", { vertices: "m_1" }],
    ]);
  });
});

describe("the eye", () => {
  test("looks along an axis, whichever points up", () => {
    const { right, above, behind } = axesOf({ ...USUAL, turn: 0, tilt: 0 }, "y");
    expect([right, above, behind].map((axis) => axis.map((one) => one + 0))).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect(axesOf({ ...USUAL, turn: 0, tilt: 0 }, "z").behind.map((one) => one + 0)).toEqual([0, -1, 0]);
    const top = axesOf({ ...USUAL, turn: 0, tilt: 90 }, "z").behind;
    expect(top[2]).toBeCloseTo(1);
  });

  test("has axes that stand upright on each other", () => {
    const { right, above, behind } = axesOf({ turn: 37, tilt: -61, zoom: 1, at: [0, 0, 0] }, "z");
    const cross = [right[1] * above[2] - right[2] * above[1], right[2] * above[0] - right[0] * above[2], right[0] * above[1] - right[1] * above[0]];
    cross.forEach((one, i) => expect(one).toBeCloseTo(behind[i], 12));
  });

  test("sees a ball of one radius whole, in a card that is wide or high", () => {
    for (const aspect of [0.5, 1, 3]) {
      const half = halfHeight(USUAL, aspect, 40, true);
      expect(Math.min(half, half * aspect)).toBeGreaterThanOrEqual(1);
    }
    const away = halfHeight(USUAL, 1, 40, false) / Math.tan((20 * Math.PI) / 180);
    expect(1 / away).toBeLessThan(Math.sin((20 * Math.PI) / 180));
  });

  test("turns round and round, and stops above the poles", () => {
    expect(turned({ ...USUAL, turn: 170 }, 30, 100)).toMatchObject({ turn: -160, tilt: 90 });
    expect(zoomed(USUAL, 1e9).zoom).toBe(500);
  });

  test("keeps under the pointer what is dragged", () => {
    const pose = { ...USUAL, turn: 0, tilt: 0 };
    const moved = panned(pose, 50, 0, { width: 100, height: 100 }, 40, true, "y");
    expect(moved.at[0]).toBeCloseTo(-halfHeight(pose, 1, 40, true));
    expect(moved.at[1]).toBeCloseTo(0);
  });

  test("takes from the address only what one can look from", () => {
    expect(isPose(rounded({ turn: 12.345678, tilt: 3, zoom: 1.23456789, at: [0.1, 0, 0] }))).toBe(true);
    for (const bad of [null, {}, { ...USUAL, zoom: 0 }, { ...USUAL, at: [1, 2] }, { ...USUAL, tilt: "1" }, { ...USUAL, at: [1, 2, 1e9] }, { ...USUAL, turn: NaN }]) {
      expect(isPose(bad)).toBe(false);
    }
  });
});

describe("geometry", () => {
  test("leaves out of its bounds what is not finite", () => {
    const vertices = new Float32Array([1, 2, 3, NaN, 9, 9, 3, 2, 1, 9, -Infinity, 9]);
    expect(boundsOf(vertices)).toEqual({ low: [1, 2, 1], high: [3, 2, 3], radius: Math.SQRT2 });
    expect([...finiteIn(vertices)]).toEqual([0, 2]);
    expect(boundsOf(new Float32Array([NaN, 0, 0]))).toBeNull();
    expect([...inBall(vertices, { middle: [2, 2, 2], radius: 2 })].slice(0, 6)).toEqual([-0.5, 0, 0.5, 0, 0, 0]);
  });

  test("of huge and of single numbers has a ball", () => {
    const huge = boundsOf(new Float32Array([-3e38, 0, 0, 3e38, 0, 0]));
    expect(ballOf(huge!).radius).toBeCloseTo(3e38, -34);
    expect(ballOf(boundsOf(new Float32Array([5, 5, 5]))!)).toEqual({ middle: [5, 5, 5], radius: 1 });
  });

  test("of two meshes holds both", () => {
    const [one, other] = [boundsOf(new Float32Array([0, 0, 0, 2, 0, 0])), boundsOf(new Float32Array([4, 0, 0, 6, 0, 0]))];
    expect(union(one, other)).toEqual({ low: [0, 0, 0], high: [6, 0, 0], radius: 3 });
    expect(union(null, one)).toBe(one);
  });

  test("has normals of length one that stand on the face", () => {
    const faces = new Uint32Array([0, 1, 2]);
    expect([...normalsOf(TRIANGLE, faces)]).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1]);
  });

  test("has each edge once", () => {
    expect([...edgesOf(new Uint32Array([0, 1, 2, 2, 1, 3]), 4)]).toEqual([0, 1, 1, 2, 2, 0, 1, 3, 3, 2]);
  });

  test("finds the face in front that a ray meets, and its nearest corner", () => {
    const points = new Float32Array([...TRIANGLE, 0, 0, 1, 2, 0, 1, 0, 2, 1]);
    const faces = new Uint32Array([0, 1, 2, 3, 4, 5]);
    expect(faceAt(points, faces, [0.2, 1.5, 9], [0, 0, -1])).toEqual({ face: 1, at: 8 });
    expect(faceAt(points, faces, [2, 2, 9], [0, 0, -1])).toBeNull();
    expect(faceAt(points, faces, [0.2, 1.5, -9], [0, 0, -1])).toBeNull();
    expect(cornerOf(points, faces, 1, [0.2, 1.5, 1])).toBe(5);
  });

  test("finds the foremost point near the pointer", () => {
    const same = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const points = new Float32Array([0, 0, 0.5, 0, 0, -0.5, 0.9, 0.9, 0]);
    const at = { x: 52, y: 50, width: 100, height: 100 };
    expect(pointAt(points, null, same, at, 9)).toBe(1);
    expect(pointAt(points, new Uint32Array([0, 2]), same, at, 9)).toBe(0);
    expect(pointAt(points, null, same, { ...at, x: 20 }, 9)).toBe(-1);
  });

  test("has a grid of round numbers below it", () => {
    expect([strideOf(8), strideOf(1), strideOf(0.03)].map((one) => Number(one.toPrecision(6)))).toEqual([1, 0.2, 0.005]);
    const { lines, stride } = gridOf({ low: [0, -1, 0], high: [8, 5, 8], radius: 6 }, { middle: [0, 0, 0], radius: 1 }, "y");
    expect(stride).toBe(1);
    expect(lines.length).toBe((9 + 9) * 6);
    expect(lines.filter((_, i) => i % 3 === 1).every((y) => y === -1)).toBe(true);
  });
});

describe("a configuration", () => {
  test("is taken as TensorBoard takes it, where it is known", () => {
    const config = configOf(
      JSON.stringify({
        camera: { cls: "OrthographicCamera", fov: 60, near: 1 },
        lights: [{ cls: "PointLight", color: 0xff8000, intensity: 2, position: [1, 2, 3] }],
        material: { cls: "MeshPhongMaterial", color: "red", shininess: 9, wireframe: true },
      }),
    );
    expect(config).toMatchObject({ fov: 60, parallel: true, problems: [] });
    expect(config.lights).toEqual([{ cls: "PointLight", color: "#ff8000", intensity: 2, position: [1, 2, 3] }]);
    expect(config.material.cls).toBe("MeshPhongMaterial");
    expect([...config.material.values]).toEqual([
      ["color", "red"],
      ["shininess", 9],
      ["wireframe", true],
    ]);
  });

  test("that says nothing is none", () => {
    for (const text of ["", "{}", "null"]) expect(configOf(text)).toMatchObject({ fov: null, lights: null, problems: [] });
  });

  test("of which nothing is known is told, and makes nothing", () => {
    const text = '{"__proto__": {"polluted": 1}, "constructor": 2, "material": {"__proto__": {"x": 1}, "cls": "ShaderMaterial", "color": "url(http://a.b)", "onBeforeCompile": "alert(1)"}}';
    const config = configOf(text);
    expect(config.material).toEqual({ cls: null, values: new Map() });
    expect(config.problems.length).toBe(5);
    expect(config.problems.join()).toContain("__proto__");
    expect(config.problems.at(-1)).toBe("and 2 more such");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("that is no JSON, is deep or is of another shape is told", () => {
    expect(configOf("{").problems).toEqual(["its configuration is no JSON"]);
    expect(configOf("[".repeat(60_000)).problems.length).toBe(1);
    expect(configOf("[1]").problems.length).toBe(1);
    expect(configOf(`{"lights": [${Array(100).fill('{"cls": "AmbientLight"}').join()}]}`)).toMatchObject({ problems: ["its configuration has 100 lights: the first 8 shine"] });
    expect(configOf('{"camera": {"fov": 1e9}, "lights": [{"cls": "toString"}]}').problems.length).toBe(2);
  });
});

describe("on their way", () => {
  const mesh = (bytes: number): Mesh => ({ bytes }) as Mesh;

  test("meshes that nobody waits for any more are not fetched", async () => {
    let stopped = false;
    const meshes = new Meshes((_place, signal) => {
      signal.addEventListener("abort", () => (stopped = true));
      return new Promise<Mesh>((_, fail) => signal.addEventListener("abort", () => fail(new Error("stopped"))));
    });
    const [first, second] = [meshes.hold(PLACE), meshes.hold(PLACE)];
    first.release();
    expect(stopped).toBe(false);
    second.release();
    expect(stopped).toBe(true);
    await expect(second.promise).rejects.toThrow("stopped");
  });

  test("those shown lately are kept, as far as there is room", async () => {
    let fetched = 0;
    const meshes = new Meshes(() => Promise.resolve(mesh(60 + 0 * fetched++)), 100);
    for (const n of [0, 1, 1, 0]) {
      const held = meshes.hold({ ...PLACE, n });
      await held.promise;
      held.release();
    }
    expect(fetched).toBe(3);
  });

  test("what is no mesh is refused", () => {
    expect(() => decodeMesh(new ArrayBuffer(3))).toThrow("no mesh");
  });
});

test("a PLY file has the vertices, colours and faces as they were written", () => {
  const file = plyOf({ vertices: TRIANGLE, faces: new Uint32Array([0, 1, 2]), colors: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9]) });
  const text = new TextDecoder("latin1").decode(file);
  const end = text.indexOf("end_header\n") + 11;
  expect(text.slice(0, end)).toContain("element vertex 3\n");
  expect(text.slice(0, end)).toContain("element face 1\nproperty list uchar int vertex_indices\n");
  const view = new DataView(file.buffer);
  expect([view.getFloat32(end + 15, true), ...file.slice(end + 27, end + 30)]).toEqual([2, 4, 5, 6]);
  expect([file[end + 45], ...[1, 5, 9].map((at) => view.getUint32(end + 45 + at, true))]).toEqual([3, 0, 1, 2]);
  expect(file.length).toBe(end + 45 + 13);
});
