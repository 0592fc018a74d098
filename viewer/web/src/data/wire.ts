/** One series of a TLY1 frame; its arrays are views of the frame's own bytes. */
export interface Tail {
  run: string;
  tag: string;
  /** Index of the first point here. */
  since: number;
  /** Points the series has in all. */
  total: number;
  /** Goes up when points that were sent before no longer stand. */
  generation: number;
  step: Float64Array;
  wall: Float64Array;
  value: Float32Array | Float64Array;
}

interface Column {
  at: number;
  type: string;
}

interface Entry {
  run: string;
  tag: string;
  since: number;
  n: number;
  total: number;
  generation?: number;
  step: Column;
  wall: Column;
  value: Column;
}

interface Header {
  v: number;
  order: string;
  series: Entry[];
}

export class BadFrame extends Error {}

const MAGIC = 0x31594c54; // "TLY1", little-endian

function readHeader(frame: ArrayBuffer): { header: Header; body: number } {
  if (frame.byteLength < 8) throw new BadFrame(`a frame of ${frame.byteLength} bytes has no header`);
  const view = new DataView(frame);
  if (view.getUint32(0, true) !== MAGIC) throw new BadFrame("the answer is not a TLY1 frame");
  const body = 8 + view.getUint32(4, true);
  if (body > frame.byteLength || body % 8 !== 0) throw new BadFrame(`a header that ends at byte ${body} does not fit`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 8, body - 8))) as Header;
  if (header.v !== 1 || header.order !== "little") throw new BadFrame(`version ${header.v}, ${header.order}-endian is not known`);
  return { header, body };
}

function column(frame: ArrayBuffer, body: number, { at, type }: Column, n: number): Float32Array | Float64Array {
  const size = type === "f8" ? 8 : type === "f4" ? 4 : 0;
  if (size === 0) throw new BadFrame(`column type ${type} is not known`);
  const start = body + at;
  if (at < 0 || at % 8 !== 0 || start + n * size > frame.byteLength) throw new BadFrame(`a column of ${n} at ${at} does not fit`);
  return size === 8 ? new Float64Array(frame, start, n) : new Float32Array(frame, start, n);
}

function wide(array: Float32Array | Float64Array): Float64Array {
  return array instanceof Float64Array ? array : new Float64Array(array);
}

const NONE = new Float64Array(0);

/** Decodes a frame without copying its columns; throws BadFrame for anything else. */
export function decodeFrame(frame: ArrayBuffer): Tail[] {
  const { header, body } = readHeader(frame);
  return header.series.map(({ run, tag, since, n, total, generation = 0, step, wall, value }) => {
    if (n === 0) return { run, tag, since, total, generation, step: NONE, wall: NONE, value: NONE };
    return {
      run,
      tag,
      since,
      total,
      generation,
      step: wide(column(frame, body, step, n)),
      wall: wide(column(frame, body, wall, n)),
      value: column(frame, body, value, n),
    };
  });
}
