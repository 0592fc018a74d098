import {
  AmbientLight,
  BackSide,
  BufferAttribute,
  BufferGeometry,
  Color,
  DirectionalLight,
  DoubleSide,
  FrontSide,
  Group,
  HemisphereLight,
  LinearSRGBColorSpace,
  LineBasicMaterial,
  LineSegments,
  Matrix4,
  Mesh as Solid,
  MeshBasicMaterial,
  MeshLambertMaterial,
  MeshNormalMaterial,
  MeshPhongMaterial,
  MeshStandardMaterial,
  OrthographicCamera,
  PerspectiveCamera,
  PointLight,
  Points,
  PointsMaterial,
  Scene,
  SpotLight,
  Vector3,
  WebGLRenderer,
  type Camera,
  type Light as ThreeLight,
  type Material as ThreeMaterial,
} from "three";
import { axesOf, distanceOf, FOV, halfHeight, type Pose, type Up } from "./camera";
import type { Config, Light } from "./config";
import { ballOf, boundsOf, cornerOf, edgesOf, faceAt, finiteIn, inBall, normalsOf, pointAt, projected, type Ball, type Bounds } from "./geometry";
import { gridOf } from "./ground";
import type { Mesh } from "./wire";
import type { Shade, Style } from "./settings";

/** How a mesh is drawn. */
export interface Look {
  style: Style;
  shade: Shade;
  colours: boolean;
  /** Pixels across. */
  pointSize: number;
  axes: boolean;
  grid: boolean;
  box: boolean;
  up: Up;
  parallel: boolean;
  config: Config | null;
  /** Colours of the page: what is behind, lines upon it, and the run's own. */
  ground: string;
  line: string;
  edge: string;
  own: string;
}

/** One card's picture. */
export interface Picture {
  mesh: Mesh;
  /** What is drawn in the middle and as large as the card; the mesh's own where it is null. */
  bounds: Bounds | null;
  pose: Pose;
  look: Look;
  /** In pixels of the page, and how many of the screen each of those is. */
  width: number;
  height: number;
  ratio: number;
}

/** A vertex under the pointer, and where in the card it is. */
export interface Spot {
  vertex: number;
  face: number | null;
  x: number;
  y: number;
}

const AXES = ["#e5484d", "#30a46c", "#3e63dd"] as const;
const AXIS_NAMES = ["x", "y", "z"] as const;
const GREY = "#a0a0a0";
/** What older versions of three.js, for which configurations were written, multiplied all lights by. */
const OLD_LIGHT = Math.PI;
const REACH_PX = 9;
const MOST_PX = 8192;

/** What a graphics card is given of a mesh; made when it is first drawn that way. */
class Body {
  readonly bounds: Bounds | null;
  readonly ball: Ball;
  readonly points: Float32Array;
  readonly finite: Uint32Array | null;
  #solid?: BufferGeometry;
  #flat?: BufferGeometry;
  #cloud?: BufferGeometry;
  #edges?: BufferGeometry;
  readonly #position: BufferAttribute;
  readonly #color: BufferAttribute | null;

  constructor(readonly mesh: Mesh) {
    this.bounds = boundsOf(mesh.vertices);
    this.ball = this.bounds ? ballOf(this.bounds) : { middle: [0, 0, 0], radius: 1 };
    this.points = inBall(mesh.vertices, this.ball);
    this.finite = mesh.odd > 0 ? finiteIn(mesh.vertices) : null;
    this.#position = new BufferAttribute(this.points, 3);
    this.#color = mesh.colors && new BufferAttribute(mesh.colors, 3, true);
  }

  #made(index: Uint32Array | null): BufferGeometry {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", this.#position);
    if (this.#color) geometry.setAttribute("color", this.#color);
    if (index) geometry.setIndex(new BufferAttribute(index, 1));
    return geometry;
  }

  get faces(): Uint32Array {
    return this.mesh.faces ?? new Uint32Array(0);
  }

  get flat(): BufferGeometry {
    return (this.#flat ??= this.#made(this.faces));
  }

  get solid(): BufferGeometry {
    if (!this.#solid) {
      this.#solid = this.#made(this.faces);
      this.#solid.setAttribute("normal", new BufferAttribute(normalsOf(this.points, this.faces), 3));
    }
    return this.#solid;
  }

  get cloud(): BufferGeometry {
    return (this.#cloud ??= this.#made(this.finite));
  }

  get edges(): BufferGeometry {
    return (this.#edges ??= this.#made(edgesOf(this.faces, this.points.length / 3)));
  }

  dispose(): void {
    for (const one of [this.#solid, this.#flat, this.#cloud, this.#edges]) one?.dispose();
  }
}

/** Raw numbers: what a training wrote as a colour is what a pixel without lights has. */
function colour(name: string): Color {
  const made = new Color();
  if (/^[a-z]+$/i.test(name) && !Object.hasOwn(Color.NAMES, name.toLowerCase())) name = GREY;
  return made.setStyle(name, LinearSRGBColorSpace);
}

/** Draws all cards with one context of the browser's, which has few to give. */
export class Stage {
  readonly #renderer: WebGLRenderer;
  readonly #scene = new Scene();
  readonly #bodies = new Map<Mesh, { body: Body; users: number }>();
  readonly #materials = new Map<string, ThreeMaterial>();
  readonly #near = new PerspectiveCamera();
  readonly #far = new OrthographicCamera();
  readonly #dirty = new Map<object, () => void>();
  #frame = 0;
  #width = 0;
  #height = 0;
  /** Whether the browser took the context away. */
  lost = false;

  /** Raises an error where the browser gives no context. */
  constructor(readonly tell: (lost: boolean) => void) {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2", { antialias: true, alpha: false, depth: true, powerPreference: "high-performance" });
    if (!context) throw new Error("no WebGL");
    this.#renderer = new WebGLRenderer({ canvas, context, antialias: true });
    this.#renderer.outputColorSpace = LinearSRGBColorSpace;
    this.#renderer.setPixelRatio(1);
    this.#renderer.setScissorTest(true);
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // only then is it given back
      this.lost = true;
      tell(true);
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.#renderer.setScissorTest(true);
      tell(false);
    });
  }

  /** Keeps what a mesh needs for drawing until it is let go. */
  hold(mesh: Mesh): () => void {
    const held = this.#bodies.get(mesh) ?? { body: new Body(mesh), users: 0 };
    held.users++;
    this.#bodies.set(mesh, held);
    return () => {
      held.users--;
      if (held.users > 0) return;
      held.body.dispose();
      this.#bodies.delete(mesh);
    };
  }

  #body(mesh: Mesh): Body {
    const held = this.#bodies.get(mesh);
    if (!held) throw new Error("the mesh is not held");
    return held.body;
  }

  /** Where a mesh is. */
  boundsOf(mesh: Mesh): Bounds | null {
    return this.#body(mesh).bounds;
  }

  /** Calls `paint` with the next frame of the screen, or one soon after where there is much to be drawn. */
  ask(who: object, paint: () => void): void {
    this.#dirty.set(who, paint);
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  forget(who: object): void {
    this.#dirty.delete(who);
  }

  #paint(): void {
    this.#frame = 0;
    const end = performance.now() + 20;
    for (const [who, paint] of this.#dirty) {
      this.#dirty.delete(who);
      paint();
      if (performance.now() > end) break;
    }
    if (this.#dirty.size > 0) this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #ballOf({ mesh, bounds }: Picture): Ball {
    return bounds ? ballOf(bounds) : this.#body(mesh).ball;
  }

  /** From a mesh's own ball to the one that is seen. */
  #place(body: Body, seen: Ball): Matrix4 {
    const scale = body.ball.radius / seen.radius;
    const [x, y, z] = ([0, 1, 2] as const).map((i) => (body.ball.middle[i] - seen.middle[i]) / seen.radius);
    return new Matrix4().makeTranslation(x, y, z).scale(new Vector3(scale, scale, scale));
  }

  #camera({ pose, look, width, height }: Picture, body: Body, ball: Ball): Camera {
    const parallel = look.config?.parallel ?? look.parallel;
    const fov = look.config?.fov ?? FOV;
    const aspect = width / height;
    const away = distanceOf(pose, aspect, fov, parallel);
    const { above, behind, right } = axesOf(pose, look.up);
    const camera = parallel ? this.#far : this.#near;
    // What is seen may reach farther than its ball: other steps, the grid, what one has moved away from.
    const apart = Math.hypot(...([0, 1, 2] as const).map((i) => (body.ball.middle[i] - ball.middle[i]) / ball.radius));
    const deep = Math.max(2.5, apart + (body.ball.radius / ball.radius) * 1.01) + Math.hypot(...pose.at);
    if (camera instanceof PerspectiveCamera) {
      camera.fov = fov;
      camera.aspect = aspect;
      camera.near = Math.max(away * 0.005, away - deep);
      camera.far = away + deep;
    } else {
      const half = halfHeight(pose, aspect, fov, true);
      [camera.top, camera.bottom, camera.right, camera.left] = [half, -half, half * aspect, -half * aspect];
      [camera.near, camera.far] = [away - deep, away + deep];
    }
    camera.updateProjectionMatrix();
    const eye = new Vector3(...behind).multiplyScalar(away).add(new Vector3(...pose.at));
    camera.matrixAutoUpdate = false;
    camera.matrix.makeBasis(new Vector3(...right), new Vector3(...above), new Vector3(...behind)).setPosition(eye);
    camera.updateMatrixWorld(true);
    return camera;
  }

  #made<M extends ThreeMaterial>(key: string, make: () => M): M {
    let found = this.#materials.get(key);
    if (!found) {
      if (this.#materials.size > 200) {
        for (const old of this.#materials.values()) old.dispose();
        this.#materials.clear();
      }
      this.#materials.set(key, (found = make()));
    }
    return found as M;
  }

  #lines(color: string): LineBasicMaterial {
    return this.#made(`line ${color}`, () => new LineBasicMaterial({ color: colour(color) }));
  }

  #surface(look: Look, colours: boolean): ThreeMaterial {
    const { config, shade } = look;
    const values = config?.material.values ?? new Map<string, number | boolean | string>();
    const cls = shade === "plain" ? "MeshBasicMaterial" : (config?.material.cls ?? "MeshStandardMaterial");
    const key = JSON.stringify(["surface", cls, shade, colours, look.style, look.own, [...values]]);
    return this.#made(key, () => {
      const classes = { MeshBasicMaterial, MeshLambertMaterial, MeshNormalMaterial, MeshPhongMaterial, MeshStandardMaterial, PointsMaterial: MeshStandardMaterial };
      const material = new classes[cls]({ side: DoubleSide });
      if (material instanceof MeshStandardMaterial) [material.roughness, material.metalness] = [1, 0];
      if ("color" in material) material.color.copy(colours ? new Color(1, 1, 1) : colour(look.own));
      take(material, values, colours);
      if ("flatShading" in material) material.flatShading = shade === "flat" || values.get("flatShading") === true;
      material.vertexColors = colours;
      material.polygonOffset = look.style === "edges";
      material.polygonOffsetFactor = material.polygonOffsetUnits = 1;
      return material;
    });
  }

  #dots(look: Look, colours: boolean, ratio: number, ball: Ball): ThreeMaterial {
    const values = look.config?.material.values;
    const world = values?.get("size");
    const key = JSON.stringify(["points", colours, look.own, look.pointSize, ratio, ball.radius, [...(values ?? [])]]);
    return this.#made(key, () => {
      const material = new PointsMaterial({ sizeAttenuation: false, size: look.pointSize * ratio });
      if (typeof world === "number" && values?.get("sizeAttenuation") !== false) {
        [material.sizeAttenuation, material.size] = [true, world / ball.radius];
      }
      material.color.copy(colours ? new Color(1, 1, 1) : colour(String(values?.get("color") ?? look.own)));
      if (values?.has("opacity")) material.opacity = Number(values.get("opacity"));
      material.transparent = values?.get("transparent") === true;
      material.vertexColors = colours;
      return material;
    });
  }

  #lights(group: Group, { look, pose }: Picture, ball: Ball): void {
    if (look.config?.lights) {
      for (const light of look.config.lights) group.add(lightOf(light, ball));
      return;
    }
    // From the eye, a little to its left: so every side that is seen is lit, and its shape is made out.
    const { right, above, behind } = axesOf(pose, look.up);
    const lamp = new DirectionalLight(0xffffff, 0.72 * OLD_LIGHT);
    lamp.position.set(...([0, 1, 2] as const).map((i) => behind[i] - 0.45 * right[i] + 0.55 * above[i]) as [number, number, number]);
    group.add(lamp, new AmbientLight(0xffffff, 0.42 * OLD_LIGHT));
  }

  #helpers(group: Group, { look, bounds }: Picture, body: Body, ball: Ball): void {
    const lines = (points: readonly number[], color: string): void => {
      const geometry = new BufferGeometry().setAttribute("position", new BufferAttribute(new Float32Array(points), 3));
      const line = new LineSegments(geometry, this.#lines(color));
      line.frustumCulled = false;
      group.add(line);
    };
    const seen = bounds ?? body.bounds;
    if (!seen) return;
    const inSeen = (i: 0 | 1 | 2, value: number): number => (value - ball.middle[i]) / ball.radius;
    if (look.grid) lines(gridOf(seen, ball, look.up).lines, look.line);
    if (look.axes) {
      const corner = ([0, 1, 2] as const).map((i) => inSeen(i, seen.low[i]));
      ([0, 1, 2] as const).forEach((i) => {
        const end = [...corner];
        end[i] += axisLength(seen, ball, i);
        lines([...corner, ...end], AXES[i]);
      });
    }
    if (look.box && body.bounds) {
      const { low, high } = body.bounds;
      const at = (bits: number): number[] => ([0, 1, 2] as const).map((i) => inSeen(i, (bits >> i) & 1 ? high[i] : low[i]));
      const pairs: number[] = [];
      for (let one = 0; one < 8; one++) for (let i = 0; i < 3; i++) if (!((one >> i) & 1)) pairs.push(...at(one), ...at(one | (1 << i)));
      lines(pairs, look.edge);
    }
  }

  #things(group: Group, picture: Picture, body: Body, ball: Ball): void {
    const { look, mesh, ratio } = picture;
    const colours = look.colours && mesh.colors !== null;
    const matrix = this.#place(body, ball);
    const add = (thing: Solid | Points | LineSegments): void => {
      thing.matrixAutoUpdate = false;
      thing.matrix.copy(matrix);
      thing.frustumCulled = false;
      group.add(thing);
    };
    const asPoints = look.style === "points" || body.faces.length === 0;
    if (asPoints) return add(new Points(body.cloud, this.#dots(look, colours, ratio, ball)));
    const wired = look.style === "wire" || look.config?.material.values.get("wireframe") === true;
    if (!wired) {
      const material = this.#surface(look, colours);
      const smooth = look.shade === "smooth" && !("flatShading" in material && material.flatShading);
      add(new Solid(smooth ? body.solid : body.flat, material));
    }
    if (wired || look.style === "edges") {
      const color = wired ? look.own : look.edge;
      const material =
        wired && colours ? this.#made("wire", () => new LineBasicMaterial({ vertexColors: true })) : this.#lines(color);
      add(new LineSegments(body.edges, material));
    }
  }

  /** Paints a card. */
  draw(picture: Picture, pen: CanvasRenderingContext2D): void {
    if (this.lost) return;
    const body = this.#body(picture.mesh);
    const ball = this.#ballOf(picture);
    const camera = this.#camera(picture, body, ball);
    const group = new Group();
    this.#lights(group, picture, ball);
    this.#things(group, picture, body, ball);
    const helpers = new Group();
    this.#helpers(helpers, picture, body, ball);
    const [width, height] = [picture.width, picture.height].map((side) => Math.min(MOST_PX, Math.round(side * picture.ratio)));
    if (width > this.#width || height > this.#height) {
      [this.#width, this.#height] = [Math.max(width, this.#width), Math.max(height, this.#height)];
      this.#renderer.setSize(this.#width, this.#height, false);
    }
    this.#renderer.setViewport(0, 0, width, height);
    this.#renderer.setScissor(0, 0, width, height);
    this.#renderer.setClearColor(colour(picture.look.ground), 1);
    this.#scene.add(group, helpers);
    this.#renderer.render(this.#scene, camera);
    this.#scene.remove(group, helpers);
    for (const line of helpers.children) (line as LineSegments).geometry.dispose();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.#renderer.domElement, 0, this.#height - height, width, height, 0, 0, width, height);
    if (picture.look.axes) this.#letter(picture, pen, body, ball, camera);
  }

  #letter(picture: Picture, pen: CanvasRenderingContext2D, body: Body, ball: Ball, camera: Camera): void {
    const seen = picture.bounds ?? body.bounds;
    if (!seen) return;
    const m = new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse).elements;
    pen.setTransform(picture.ratio, 0, 0, picture.ratio, 0, 0);
    pen.font = "600 11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    AXIS_NAMES.forEach((name, axis) => {
      const [x, y, z] = ([0, 1, 2] as const).map((i) => (seen.low[i] - ball.middle[i]) / ball.radius + (i === axis ? axisLength(seen, ball, i) + 0.08 : 0));
      const at = projected(m, x, y, z, picture.width, picture.height);
      pen.fillStyle = AXES[axis];
      if (at) pen.fillText(name, at[0], at[1]);
    });
  }

  /** The vertex under a place of a card: of the face in front, or of the points near it the foremost. */
  pick(picture: Picture, x: number, y: number): Spot | null {
    const body = this.#body(picture.mesh);
    const ball = this.#ballOf(picture);
    const camera = this.#camera(picture, body, ball);
    const place = this.#place(body, ball);
    const all = new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse).multiply(place);
    const { width, height } = picture;
    const asPoints = picture.look.style === "points" || body.faces.length === 0;
    let [vertex, face] = [-1, null as number | null];
    if (asPoints) vertex = pointAt(body.points, body.finite, all.elements, { x, y, width, height }, REACH_PX);
    else {
      const back = all.clone().invert();
      const [from, to] = [-1, 1].map((depth) => new Vector3((x / width) * 2 - 1, 1 - (y / height) * 2, depth).applyMatrix4(back));
      const along = to.sub(from);
      const hit = faceAt(body.points, body.faces, from.toArray(), along.toArray());
      if (hit) {
        face = hit.face;
        vertex = cornerOf(body.points, body.faces, face, from.addScaledVector(along, hit.at).toArray());
      }
    }
    if (vertex < 0) return null;
    const p = body.points;
    const at = projected(all.elements, p[vertex * 3], p[vertex * 3 + 1], p[vertex * 3 + 2], width, height);
    return at && { vertex, face, x: at[0], y: at[1] };
  }
}

/** In radii: as long as what is there, unless that is next to nothing. */
function axisLength({ low, high }: Bounds, { radius }: Ball, i: 0 | 1 | 2): number {
  return Math.max(0.25, (high[i] - low[i]) / radius);
}

function lightOf({ cls, color, intensity, position }: Light, ball: Ball): ThreeLight {
  const classes = { AmbientLight, DirectionalLight, PointLight, SpotLight };
  const light = cls === "HemisphereLight" ? new HemisphereLight(colour(color), colour("#000000")) : new classes[cls](colour(color));
  light.intensity = intensity * OLD_LIGHT;
  if (light instanceof PointLight || light instanceof SpotLight) light.decay = 0;
  // A light that is nowhere would shine upon the middle from the middle.
  if (position) light.position.set(...(position.map((one) => one / ball.radius) as [number, number, number]));
  return light;
}

/** Puts into a material what a configuration says and that class has. */
function take(material: ThreeMaterial, values: ReadonlyMap<string, number | boolean | string>, colours: boolean): void {
  const own = material as unknown as Record<string, unknown>;
  for (const [name, value] of values) {
    if (name === "wireframe" || name === "vertexColors" || !(name in material)) continue;
    const had = own[name];
    if (had instanceof Color) {
      if (!(name === "color" && colours)) had.copy(colour(String(value)));
    } else if (name === "side") material.side = [FrontSide, BackSide, DoubleSide][Math.round(Number(value))];
    else if (typeof had === typeof value) own[name] = value;
  }
}
