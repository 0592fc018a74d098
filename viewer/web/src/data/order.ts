const collator = new Intl.Collator("en", { numeric: true, sensitivity: "variant" });

/** Natural order: "run2" before "run10". */
export function naturally(a: string, b: string): number {
  return collator.compare(a, b);
}
