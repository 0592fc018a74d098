import { SMOOTHERS, type SmootherKind } from "../chart/smooth";
import { choice, setting } from "./setting.svelte";

/** The way in which lines are smoothed. */
export const smoother = setting<SmootherKind>("smoother", choice(SMOOTHERS), "ema");

export const SMOOTHER_NAMES: Readonly<Record<SmootherKind, string>> = {
  ema: "EMA",
  time: "Time EMA",
  mean: "Mean",
  gauss: "Gaussian",
  median: "Median",
};
