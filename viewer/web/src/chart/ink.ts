/** The colours a canvas draws with; it cannot read CSS variables itself. */
export interface Ink {
  grid: string;
  axis: string;
  label: string;
  text: string;
  panel: string;
  accent: string;
  bad: string;
  dark: boolean;
}
