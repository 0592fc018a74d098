import { heardAxis } from "./axes";
import type { Desk } from "./desk.svelte";
import { across, components, deep, flat, up, way } from "./settings";

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** What an axis of one's own is called. */
export function axisName(text: string): string {
  const axis = heardAxis(text);
  if (axis.kind === "dimension") return `dimension ${axis.at}`;
  if (axis.kind === "column") return axis.name;
  return axis.kind === "way" ? `${axis.from || "…"} → ${axis.to || "…"}` : "";
}

/** The names of the axes, of two where the picture is flat; none where they mean nothing. */
export function axisNames(desk: Desk): string[] {
  const count = flat.value ? 2 : 3;
  if (way.value === "axes") return [across, up, deep].slice(0, count).map(({ value }) => axisName(value));
  if (way.value !== "pca") return [];
  const fractions = desk.principal?.fractions ?? [];
  return components.value.slice(0, count).map((one) => {
    const share = fractions[Number(one) - 1] as number | undefined;
    return share === undefined ? `PC ${one}` : `PC ${one}, ${percent(share)}`;
  });
}
