import type { BucketColumns } from "./buckets";

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
  /** The smoothed values, where the server computed them. */
  line?: Float32Array | Float64Array;
  /** Of a part asked for in buckets: whether it has every point of the range, and else what each bucket had. */
  buckets?: { exact: true } | ({ exact: false } & BucketColumns);
}

interface Column {
  at: number;
  type: string;
}

interface Shape {
  exact: boolean;
  n: number;
  start: Column;
  points: Column;
  mean: Column;
  odd?: Column;
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
  line?: Column;
  buckets?: Shape;
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

const TYPES = { f4: Float32Array, f8: Float64Array, u4: Uint32Array };
type Types = typeof TYPES;

/** Reads the columns of one frame. */
class Reader {
  constructor(
    readonly frame: ArrayBuffer,
    readonly body: number,
  ) {}

  #column<T extends keyof Types>({ at, type }: Column, n: number, known: readonly T[]): InstanceType<Types[T]> {
    if (!(known as readonly string[]).includes(type)) throw new BadFrame(`column type ${type} is not known`);
    const Kind = TYPES[type as T];
    const start = this.body + at;
    const end = start + n * Kind.BYTES_PER_ELEMENT;
    if (at < 0 || at % 8 !== 0 || end > this.frame.byteLength) throw new BadFrame(`a column of ${n} at ${at} does not fit`);
    return new Kind(this.frame, start, n) as InstanceType<Types[T]>;
  }

  floats(column: Column, n: number): Float32Array | Float64Array {
    return this.#column(column, n, ["f4", "f8"]);
  }

  wide(column: Column, n: number): Float64Array {
    const array = this.floats(column, n);
    return array instanceof Float64Array ? array : new Float64Array(array);
  }

  counts(column: Column, n: number): Uint32Array {
    return this.#column(column, n, ["u4"]);
  }

  buckets({ exact, n, start, points, mean, odd }: Shape, rows: number): Pick<Tail, "buckets"> {
    if (exact) return { buckets: { exact } };
    const columns = {
      exact,
      rows,
      start: this.counts(start, n),
      points: this.counts(points, n),
      mean: this.floats(mean, n),
      ...(odd && { odd: this.counts(odd, n) }),
    };
    return { buckets: columns };
  }
}

const NONE = new Float64Array(0);

/** Decodes a frame without copying its columns; throws BadFrame for anything else. */
export function decodeFrame(frame: ArrayBuffer): Tail[] {
  const { header, body } = readHeader(frame);
  const reader = new Reader(frame, body);
  return header.series.map(({ run, tag, since, n, total, generation = 0, step, wall, value, line, buckets }) => {
    if (n === 0) return { run, tag, since, total, generation, step: NONE, wall: NONE, value: NONE };
    return {
      run,
      tag,
      since,
      total,
      generation,
      step: reader.wide(step, n),
      wall: reader.wide(wall, n),
      value: reader.floats(value, n),
      ...(line && { line: reader.floats(line, n) }),
      ...(buckets && reader.buckets(buckets, n)),
    };
  });
}
