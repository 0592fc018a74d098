/**
 * A scale of colours for numbers, one for each theme: lightness goes one way only, so that it reads without hue, and
 * steps look equal because they are taken in Oklab (Ottosson 2020). The tests hold contrast and colour-blind eyes.
 */
const STOPS = {
  dark: ["#5068f0", "#2fb5b0", "#f9e54e"],
  light: ["#141f66", "#0b7a86", "#a98a00"],
} as const;

type Triple = [number, number, number];

function oklab(hex: string): Triple {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function hex([lightness, a, b]: Triple): string {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const rgb = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const byte = (c: number): string => {
    const gamma = c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055;
    return Math.round(255 * Math.min(1, Math.max(0, gamma))).toString(16).padStart(2, "0");
  };
  return `#${rgb.map(byte).join("")}`;
}

/** The colour at `at`, from 0 to 1. */
export function ramp(at: number, dark: boolean): string {
  const stops = (dark ? STOPS.dark : STOPS.light).map(oklab);
  const along = Math.min(1, Math.max(0, at)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(along));
  return hex(stops[i].map((from, k) => from + (stops[i + 1][k] - from) * (along - i)) as Triple);
}
