import { isWhole, WHOLE, type Zoom } from "./scene";

const kept = new Map<string, Zoom>();
/** What cards were zoomed to: they lose it when they scroll out of sight. A place on another axis means nothing. */
export const zooms = {
  of: (card: string, axis: string): Zoom => kept.get(`${axis} ${card}`) ?? WHOLE,
  set: (card: string, axis: string, zoom: Zoom): void => {
    if (isWhole(zoom)) kept.delete(`${axis} ${card}`);
    else kept.set(`${axis} ${card}`, zoom);
  },
};
