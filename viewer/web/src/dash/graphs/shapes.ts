/** How many numbers a tensor of this shape ("float32[32,10]") has; sizes that vary count as one, 0 where nothing is known. */
export function elements(shape: string): number {
  let found = known.get(shape);
  if (found === undefined) {
    const sizes = /\[([^\]]*)\]/.exec(shape)?.[1];
    found = sizes === undefined ? 0 : sizes === "" ? 1 : sizes.split(",").reduce((product, size) => product * (Number(size) || 1), 1);
    if (known.size > 2_000) known.clear();
    known.set(shape, found);
  }
  return found;
}

/** Of shapes that were asked for: a graph has few, each many times. */
const known = new Map<string, number>();

/** "float32[32,10]" as people write it: 32×10. */
export function sizesOf(shape: string): string {
  const sizes = /\[([^\]]*)\]/.exec(shape)?.[1];
  if (sizes === undefined) return shape;
  return sizes === "" ? "scalar" : sizes.split(",").join("×");
}
