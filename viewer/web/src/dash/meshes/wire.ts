import { Refused } from "../../data/api";

/** Names one mesh for good: which values its parts are, and which of a batch. */
export interface Place {
  run: string;
  n: number;
  parts: readonly (readonly [tag: string, step: number, wall: number])[];
}

/** A mesh as the server sent it: each of its faces names vertices that are there and finite. */
export interface Mesh {
  /** Three numbers a vertex; some may be NaN or infinite. */
  vertices: Float32Array;
  faces: Uint32Array | null;
  /** Three bytes a vertex. */
  colors: Uint8Array | null;
  /** Vertices that were written, and which of them are here: one in `every`. */
  total: number;
  every: number;
  /** Vertices that are not finite. */
  odd: number;
  totalFaces: number;
  /** Meshes that the step has. */
  batch: number;
  config: string;
  problems: readonly string[];
  bytes: number;
}

interface Head {
  batch: number;
  vertices: { at: number; n: number; total: number; every: number; odd: number } | null;
  faces: { at: number; n: number; total: number } | null;
  colors: { at: number; n: number } | null;
  config: string;
  problems: string[];
}

export function addressOf({ run, n, parts }: Place): string {
  // JSON, because a name may hold what no address can, such as half of a surrogate pair.
  return `./api/mesh?of=${encodeURIComponent(JSON.stringify([run, n, parts]))}`;
}

/** Reads what viewer/meshes.py lays out. */
export function decodeMesh(buffer: ArrayBuffer): Mesh {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 8 || String.fromCharCode(...bytes.subarray(0, 4)) !== "TLM1") throw new Error("this is no mesh");
  const start = 8 + new DataView(buffer).getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Head;
  const { vertices, faces, colors, batch, config, problems } = head;
  return {
    vertices: vertices ? new Float32Array(buffer, start + vertices.at, vertices.n * 3) : new Float32Array(0),
    faces: faces && new Uint32Array(buffer, start + faces.at, faces.n * 3),
    colors: colors && new Uint8Array(buffer, start + colors.at, colors.n * 3),
    total: vertices?.total ?? 0,
    every: vertices?.every ?? 1,
    odd: vertices?.odd ?? 0,
    totalFaces: faces?.total ?? 0,
    batch,
    config,
    problems,
    bytes: bytes.length,
  };
}

export async function fetchMesh(place: Place, signal: AbortSignal): Promise<Mesh> {
  const response = await fetch(addressOf(place), { signal });
  if (!response.ok) {
    const said = (await response.json().catch(() => ({}))) as { error?: string };
    throw new Refused(response.status, said.error ?? response.statusText);
  }
  return decodeMesh(await response.arrayBuffer());
}
