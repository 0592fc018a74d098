import type { Mesh } from "./wire";

/** A mesh as a binary PLY file: http://paulbourke.net/dataformats/ply/ */
export function plyOf({ vertices, faces, colors }: Pick<Mesh, "vertices" | "faces" | "colors">): Uint8Array<ArrayBuffer> {
  const [count, triangles] = [vertices.length / 3, faces ? faces.length / 3 : 0];
  const lines = ["ply", "format binary_little_endian 1.0", `element vertex ${count}`, "property float x", "property float y", "property float z"];
  if (colors) lines.push("property uchar red", "property uchar green", "property uchar blue");
  if (faces) lines.push(`element face ${triangles}`, "property list uchar int vertex_indices");
  const head = new TextEncoder().encode(`${lines.join("\n")}\nend_header\n`);
  const stride = colors ? 15 : 12;
  const made = new Uint8Array(head.length + count * stride + triangles * 13);
  made.set(head);
  const view = new DataView(made.buffer);
  let at = head.length;
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < 3; k++) view.setFloat32(at + 4 * k, vertices[i * 3 + k], true);
    if (colors) made.set(colors.subarray(i * 3, i * 3 + 3), at + 12);
    at += stride;
  }
  for (let f = 0; f < triangles; f++) {
    made[at] = 3;
    for (let k = 0; k < 3; k++) view.setUint32(at + 1 + 4 * k, faces?.[f * 3 + k] ?? 0, true);
    at += 13;
  }
  return made;
}
