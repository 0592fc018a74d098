import type { Vector } from "./camera";

/** What a training may say of how its meshes are drawn, in the words of three.js. */
export const LIGHTS = ["AmbientLight", "DirectionalLight", "HemisphereLight", "PointLight", "SpotLight"] as const;
export const MATERIALS = [
  "MeshBasicMaterial",
  "MeshLambertMaterial",
  "MeshNormalMaterial",
  "MeshPhongMaterial",
  "MeshStandardMaterial",
  "PointsMaterial",
] as const;
export type LightClass = (typeof LIGHTS)[number];
export type MaterialClass = (typeof MATERIALS)[number];

export interface Light {
  cls: LightClass;
  color: string;
  intensity: number;
  position: Vector | null;
}

type Value = number | boolean | string;

export interface Material {
  cls: MaterialClass | null;
  /** Settings of three.js that are known here, each of its type and in its bounds. */
  values: ReadonlyMap<string, Value>;
}

export interface Config {
  fov: number | null;
  parallel: boolean | null;
  /** Null where none are named: then the dashboard's own are taken. */
  lights: readonly Light[] | null;
  material: Material;
  /** What was not understood, in sentences. */
  problems: readonly string[];
}

const MOST_LIGHTS = 8;
const MOST_SAID = 4;
const COLOUR = /^(#[0-9a-f]{3}|#[0-9a-f]{6}|rgb\( *\d{1,3} *, *\d{1,3} *, *\d{1,3} *\)|[a-z]{3,24})$/i;

const BOUNDS: Record<string, readonly [number, number]> = {
  opacity: [0, 1],
  roughness: [0, 1],
  metalness: [0, 1],
  shininess: [0, 1000],
  emissiveIntensity: [0, 100],
  size: [0, 1e6],
  side: [0, 2],
};
const FLAGS = new Set(["transparent", "wireframe", "flatShading", "vertexColors", "sizeAttenuation"]);
const COLOURS = new Set(["color", "emissive", "specular"]);
/** What this dashboard chooses itself, by what is there to be seen. */
const CHOSEN = new Set(["near", "far", "aspect"]);

type Fields = readonly (readonly [string, unknown])[];

/** The fields of an object as pairs: what they are called is never made a property of anything. */
function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : null;
}

function colourOf(value: unknown): string | null {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffffff) return `#${value.toString(16).padStart(6, "0")}`;
  return typeof value === "string" && value.length <= 40 && COLOUR.test(value) ? value : null;
}

function numberIn(value: unknown, [low, high]: readonly [number, number]): number | null {
  return typeof value === "number" && value >= low && value <= high ? value : null;
}

function vectorOf(value: unknown): Vector | null {
  if (!Array.isArray(value) || value.length !== 3) return null;
  return value.every((one) => typeof one === "number" && Math.abs(one) < 1e30) ? (value as unknown as Vector) : null;
}

const brief = (value: unknown): string => {
  const said = typeof value === "string" ? value : typeof value === "object" && value !== null ? "something nested" : String(value);
  return said.length > 40 ? `${said.slice(0, 40)}…` : said;
};

class Reader {
  readonly problems: string[] = [];
  fov: number | null = null;
  parallel: boolean | null = null;
  lights: Light[] | null = null;
  cls: MaterialClass | null = null;
  readonly values = new Map<string, Value>();

  #strange(where: string, what: unknown): void {
    this.problems.push(`its configuration's ${brief(where)} is nothing known here (${brief(what)})`);
  }

  read(text: string): void {
    let said: unknown;
    try {
      said = JSON.parse(text);
    } catch {
      this.problems.push("its configuration is no JSON");
      return;
    }
    if (said === null) return; // tensorboardX says so of none
    const fields = fieldsOf(said);
    if (!fields) return this.#strange("whole", said);
    for (const [name, value] of fields) {
      if (name === "camera") this.#camera(value);
      else if (name === "lights") this.#lights(value);
      else if (name === "material") this.#material(value);
      else this.#strange(name, value);
    }
  }

  #camera(value: unknown): void {
    const fields = fieldsOf(value);
    if (!fields) return this.#strange("camera", value);
    for (const [name, one] of fields) {
      if (name === "cls" && (one === "PerspectiveCamera" || one === "OrthographicCamera")) this.parallel = one === "OrthographicCamera";
      else if (name === "fov" && numberIn(one, [1, 160]) !== null) this.fov = one as number;
      else if (!CHOSEN.has(name)) this.#strange(`camera.${name}`, one);
    }
  }

  #lights(value: unknown): void {
    if (!Array.isArray(value)) return this.#strange("lights", value);
    this.lights = [];
    if (value.length > MOST_LIGHTS) this.problems.push(`its configuration has ${value.length.toLocaleString("en")} lights: the first ${MOST_LIGHTS} shine`);
    value.slice(0, MOST_LIGHTS).forEach((light, i) => this.#light(light, `lights[${i}]`));
  }

  #light(value: unknown, where: string): void {
    const fields = fieldsOf(value);
    if (!fields) return this.#strange(where, value);
    const made: { cls: LightClass | null } & Omit<Light, "cls"> = { cls: null, color: "#ffffff", intensity: 1, position: null };
    for (const [name, one] of fields) {
      if (name === "cls") made.cls = LIGHTS.find((cls) => cls === one) ?? null;
      const colour = name === "color" ? colourOf(one) : null;
      const intensity = name === "intensity" ? numberIn(one, [0, 100]) : null;
      const position = name === "position" ? vectorOf(one) : null;
      if (colour !== null) made.color = colour;
      else if (intensity !== null) made.intensity = intensity;
      else if (position) made.position = position;
      else if (name !== "cls") this.#strange(`${where}.${name}`, one);
    }
    if (made.cls) this.lights?.push({ ...made, cls: made.cls });
    else this.#strange(`${where}.cls`, fields.find(([name]) => name === "cls")?.[1]);
  }

  #material(value: unknown): void {
    const fields = fieldsOf(value);
    if (!fields) return this.#strange("material", value);
    for (const [name, one] of fields) {
      const known = this.#known(name, one);
      if (known !== null) this.values.set(name, known);
      else if (name === "cls" && MATERIALS.some((cls) => cls === one)) this.cls = one as MaterialClass;
      else this.#strange(`material.${name}`, one);
    }
  }

  #known(name: string, value: unknown): Value | null {
    if (COLOURS.has(name)) return colourOf(value);
    if (FLAGS.has(name)) return typeof value === "boolean" ? value : null;
    return Object.hasOwn(BOUNDS, name) ? numberIn(value, BOUNDS[name]) : null;
  }
}

const made = new Map<string, Config>();

/** What is understood of a configuration: classes and settings that are on a list. Nothing of it is ever run. */
export function configOf(text: string): Config {
  const known = made.get(text);
  if (known) return known;
  const reader = new Reader();
  if (text) reader.read(text);
  const { fov, parallel, lights, cls, values, problems } = reader;
  const more = problems.length - MOST_SAID;
  const said = more > 0 ? [...problems.slice(0, MOST_SAID), `and ${more.toLocaleString("en")} more such`] : problems;
  const config = { fov, parallel, lights, material: { cls, values }, problems: said };
  if (made.size > 200) made.clear();
  made.set(text, config);
  return config;
}
