/** Paints points with WebGL, and only when something changed. */
import {
  BufferAttribute,
  BufferGeometry,
  Camera as NoCamera,
  DynamicDrawUsage,
  GLSL3,
  LinearFilter,
  Matrix4,
  Points,
  RawShaderMaterial,
  Scene,
  SRGBColorSpace,
  Texture,
  Vector2,
  WebGLRenderer,
} from "three";

const VERTEX = `
precision highp float;
uniform mat4 matrix;
uniform float size;
uniform float away;
uniform vec2 grid;
in vec3 position;
in vec4 colour;
in vec4 look;
in float cell;
out vec4 paint;
flat out float shape;
flat out vec2 corner;
flat out float edge;
void main() {
  paint = colour;
  shape = look.y;
  corner = vec2(mod(cell, grid.x), floor(cell / grid.x));
  if (look.z < 0.5) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    gl_PointSize = 0.0;
    return;
  }
  gl_Position = matrix * vec4(position, 1.0);
  float near = away > 0.0 ? clamp(away / gl_Position.w, 0.5, 2.5) : 1.0;
  gl_PointSize = max(1.0, size * near * look.x / 16.0);
  edge = 2.0 / gl_PointSize;
}`;

const FRAGMENT = `
precision highp float;
uniform sampler2D atlas;
uniform vec2 grid;
uniform vec2 part;
uniform float pictures;
uniform float tint;
in vec4 paint;
flat in float shape;
flat in vec2 corner;
flat in float edge;
out vec4 seen;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  if (pictures > 0.5 && corner.y < grid.y) {
    vec4 texel = texture(atlas, (corner + gl_PointCoord) * part);
    if (texel.a < 0.1) discard;
    seen = vec4(texel.rgb * mix(vec3(1.0), paint.rgb, tint), paint.a);
    return;
  }
  float d = length(p);
  if (shape > 2.5) d = max(p.y * 1.2, abs(p.x) * 1.8 - p.y);
  else if (shape > 1.5) d = abs(p.x) + abs(p.y);
  else if (shape > 0.5) d = max(abs(p.x), abs(p.y)) * 1.15;
  if (d > 1.0) discard;
  seen = vec4(paint.rgb, paint.a * clamp((1.0 - d) / max(edge, 0.01) + 0.35, 0.0, 1.0));
}`;

/** One picture that holds a small one for each row. */
export interface Atlas {
  image: ImageBitmap;
  columns: number;
  rows: number;
}

export class Stage {
  readonly #renderer: WebGLRenderer;
  readonly #scene = new Scene();
  readonly #camera = new NoCamera();
  readonly #material: RawShaderMaterial;
  #geometry = new BufferGeometry();
  #points: Points;
  #texture: Texture | null = null;
  #due = 0;
  #ratio = 1;
  #width = 1;
  #height = 1;
  #painted: () => void;
  frames = 0;

  /** @throws Error where there is no WebGL. */
  constructor(canvas: HTMLCanvasElement, painted: () => void) {
    this.#painted = painted;
    // Kept after the paint: it may be saved as a picture at any time.
    this.#renderer = new WebGLRenderer({ canvas, antialias: false, alpha: true, preserveDrawingBuffer: true, powerPreference: "high-performance" });
    this.#renderer.outputColorSpace = SRGBColorSpace;
    this.#renderer.setClearColor(0x000000, 0);
    this.#renderer.sortObjects = false; // there is one
    this.#material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      transparent: true,
      depthWrite: true,
      depthTest: true,
      uniforms: {
        matrix: { value: new Matrix4() },
        size: { value: 6 },
        away: { value: 0 },
        atlas: { value: null },
        grid: { value: new Vector2(1, 1) },
        part: { value: new Vector2(1, 1) },
        pictures: { value: 0 },
        tint: { value: 0 },
      },
    });
    this.#points = new Points(this.#geometry, this.#material);
    this.#points.frustumCulled = false;
    this.#scene.add(this.#points);
  }

  get largestTexture(): number {
    return this.#renderer.capabilities.maxTextureSize;
  }

  /** Takes new points, three numbers each; those that are NaN are to be hidden by `style`. */
  place(given: Float32Array, cells: Float32Array): void {
    const places = given.map((one) => (Number.isFinite(one) ? one : 0));
    const before = this.#geometry.getAttribute("position") as BufferAttribute | undefined;
    if (before?.array.length === places.length) {
      (before.array as Float32Array).set(places);
      before.needsUpdate = true;
      const cell = this.#geometry.getAttribute("cell") as BufferAttribute;
      (cell.array as Float32Array).set(cells);
      cell.needsUpdate = true;
      return this.invalidate();
    }
    this.#geometry.dispose();
    const count = places.length / 3;
    this.#geometry = new BufferGeometry();
    this.#geometry.setAttribute("position", new BufferAttribute(places, 3).setUsage(DynamicDrawUsage));
    this.#geometry.setAttribute("colour", new BufferAttribute(new Uint8Array(count * 4), 4, true).setUsage(DynamicDrawUsage));
    this.#geometry.setAttribute("look", new BufferAttribute(new Uint8Array(count * 4), 4).setUsage(DynamicDrawUsage));
    this.#geometry.setAttribute("cell", new BufferAttribute(cells.slice(), 1));
    this.#points.geometry = this.#geometry;
    this.invalidate();
  }

  /** Four bytes a point each: red, green, blue and opacity; size, shape, seen or not, and nothing. */
  style(colours: Uint8Array, looks: Uint8Array): void {
    for (const [name, values] of [["colour", colours], ["look", looks]] as const) {
      const held = this.#geometry.getAttribute(name) as BufferAttribute | undefined;
      if (held?.array.length !== values.length) return;
      (held.array as Uint8Array).set(values);
      held.needsUpdate = true;
    }
    this.invalidate();
  }

  /** Looks from somewhere: `away` from what it looks at, 0 for flat pictures, whose points are equally large. */
  look(matrix: Float64Array, away: number, size: number): void {
    const { uniforms } = this.#material;
    (uniforms["matrix"].value as Matrix4).fromArray(matrix);
    uniforms["away"].value = away;
    uniforms["size"].value = size * this.#ratio;
    this.invalidate();
  }

  resize(width: number, height: number, ratio: number): void {
    if (width === this.#width && height === this.#height && ratio === this.#ratio) return;
    [this.#width, this.#height, this.#ratio] = [width, height, ratio];
    this.#renderer.setPixelRatio(ratio);
    this.#renderer.setSize(width, height, false);
    this.paint();
  }

  /** Pictures in place of shapes, tinted by the points' colours or not. */
  dress(atlas: Atlas | null, tinted: boolean): void {
    const { uniforms } = this.#material;
    if (atlas?.image !== (this.#texture?.image as ImageBitmap | undefined)) {
      this.#texture?.dispose();
      this.#texture = null;
      if (atlas) {
        this.#texture = new Texture(atlas.image);
        this.#texture.flipY = false;
        this.#texture.generateMipmaps = false;
        this.#texture.minFilter = this.#texture.magFilter = LinearFilter;
        this.#texture.needsUpdate = true;
      }
    }
    uniforms["atlas"].value = this.#texture;
    uniforms["pictures"].value = atlas ? 1 : 0;
    uniforms["tint"].value = tinted ? 1 : 0;
    (uniforms["grid"].value as Vector2).set(atlas?.columns ?? 1, atlas?.rows ?? 1);
    (uniforms["part"].value as Vector2).set(1 / (atlas?.columns ?? 1), 1 / (atlas?.rows ?? 1));
    this.invalidate();
  }

  invalidate(): void {
    this.#due ||= requestAnimationFrame(() => this.paint());
  }

  paint(): void {
    cancelAnimationFrame(this.#due);
    this.#due = 0;
    if (this.#geometry.getAttribute("position")) {
      this.#renderer.render(this.#scene, this.#camera);
    } else this.#renderer.clear();
    this.frames++;
    this.#painted();
  }

  end(): void {
    cancelAnimationFrame(this.#due);
    this.#geometry.dispose();
    this.#material.dispose();
    this.#texture?.dispose();
    this.#renderer.dispose();
  }
}

/** Whether the browser can paint so at all; asked before, for the renderer reports it as an error. */
export function supported(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}
