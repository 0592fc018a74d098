/** Views as TensorBoard's projector saves them: a JSON list of states. What it knows and we do not is passed over. */
import { START, type Camera } from "./camera";
import * as settings from "./settings";

export interface Bookmark {
  label: string;
  state: Readonly<Record<string, unknown>>;
}

const WAYS: Record<string, settings.Way> = { pca: "pca", umap: "umap", tsne: "tsne", custom: "axes" };

/** @throws Error where the text is no list of states. */
export function bookmarksOf(content: unknown): Bookmark[] {
  const list: unknown[] = Array.isArray(content) ? content : [content];
  const states = list.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null && "selectedProjection" in one);
  if (states.length === 0) throw new Error("there are no bookmarks of a projector in it");
  return states.map((state, i) => ({ label: typeof state["label"] === "string" && state["label"] ? state["label"] : `View ${i + 1}`, state }));
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const numbers = (value: unknown): number[] => (Array.isArray(value) ? value.filter((one): one is number => isNumber(one) && one >= 0 && Number.isInteger(one)) : []);

function cameraOf(value: unknown): Camera | null {
  const { position, target } = (value ?? {}) as { position?: unknown; target?: unknown };
  if (!Array.isArray(position) || !Array.isArray(target)) return null;
  const way = [0, 1, 2].map((k) => Number(position[k]) - Number(target[k]));
  const length = Math.hypot(...way);
  if (!(length > 0) || !Number.isFinite(length)) return null;
  return { ...START, yaw: Math.atan2(way[0], way[2]), pitch: Math.asin(way[1] / length) };
}

/** Has the page show a bookmark, as far as it says. */
export function show({ state }: Bookmark): void {
  const way = WAYS[String(state["selectedProjection"])] ?? "pca";
  settings.way.value = way;
  const dimensions = numbers(state["pcaComponentDimensions"]);
  if (way === "pca" && dimensions.length >= 2) {
    settings.flat.value = dimensions.length === 2;
    settings.components.value = [0, 1, 2].map((k) => String((dimensions[k] ?? k) + 1));
  }
  if (way === "umap" && typeof state["umapIs3d"] === "boolean") settings.flat.value = !state["umapIs3d"];
  if (way === "tsne" && typeof state["tSNEis3d"] === "boolean") settings.flat.value = !state["tSNEis3d"];
  const held = (setting: typeof settings.neighbours, value: unknown): void => {
    if (isNumber(value)) setting.value = setting.codec.decode([String(value)]) ?? setting.usual;
  };
  held(settings.neighbours, state["umapNeighbors"]);
  held(settings.perplexity, state["tSNEPerplexity"]);
  held(settings.rate, state["tSNELearningRate"]);
  settings.colourBy.value = typeof state["selectedColorOptionName"] === "string" ? state["selectedColorOptionName"] : "";
  settings.shades.value = state["forceCategoricalColoring"] === true ? "categories" : "auto";
  settings.labelBy.value = typeof state["selectedLabelOption"] === "string" ? state["selectedLabelOption"] : "";
  const selected = numbers(state["selectedPoints"]);
  settings.point.value = selected[0] ?? null;
  settings.picked.value = selected.length > 1 ? selected : [];
  settings.alone.value = numbers(state["filteredPoints"]);
  settings.camera.value = settings.flat.value ? null : cameraOf(state["cameraDef"]);
}

/** What is shown now, as a list of one state; `dimensions` of the embedding, rows and columns. */
export function saved(label: string, dimensions: readonly [number, number], colour: string, name: string): string {
  const { yaw, pitch } = settings.camera.value ?? START;
  const flat = settings.flat.value;
  const position = [Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch)].map((one) => one * 2);
  const state = {
    label,
    isSelected: true,
    selectedProjection: settings.way.value === "axes" ? "custom" : settings.way.value,
    dataSetDimensions: dimensions,
    pcaComponentDimensions: settings.components.value.slice(0, flat ? 2 : 3).map((one) => Number(one) - 1),
    umapIs3d: !flat,
    umapNeighbors: settings.neighbours.value,
    tSNEis3d: !flat,
    tSNEPerplexity: settings.perplexity.value,
    tSNELearningRate: settings.rate.value,
    tSNEIteration: 0,
    projections: [],
    selectedPoints: settings.picked.value.length > 0 ? settings.picked.value : settings.point.value === null ? [] : [settings.point.value],
    filteredPoints: settings.alone.value,
    cameraDef: { orthographic: flat, position: flat ? [0, 0, 10] : position, target: [0, 0, 0], zoom: 1 },
    selectedColorOptionName: colour,
    forceCategoricalColoring: settings.shades.value === "categories",
    selectedLabelOption: name,
  };
  return `${JSON.stringify([state], null, 1)}\n`;
}
