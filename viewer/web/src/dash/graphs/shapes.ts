/** How many numbers a tensor of this shape ("float32[32,10]") has; sizes that vary count as one, 0 where nothing is known. */
export function elements(shape: string): number {
  const sizes = /\[([^\]]*)\]/.exec(shape)?.[1];
  if (sizes === undefined) return 0;
  return sizes === "" ? 1 : sizes.split(",").reduce((product, size) => product * (Number(size) || 1), 1);
}

/** "float32[32,10]" as people write it: 32×10. */
export function sizesOf(shape: string): string {
  const sizes = /\[([^\]]*)\]/.exec(shape)?.[1];
  if (sizes === undefined) return shape;
  return sizes === "" ? "scalar" : sizes.split(",").join("×");
}
