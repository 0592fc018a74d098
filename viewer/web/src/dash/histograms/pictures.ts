import { bands } from "./bands";
import { heat } from "./heat";
import { overlay } from "./overlay";
import { ridge } from "./ridge";
import type { Picture } from "./scene";
import type { ViewKind } from "./settings";

export const PICTURES: Record<ViewKind, Picture> = { ridge, overlay, heat, bands };
