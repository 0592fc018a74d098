/** A sound's samples, from -1 to 1, one column for each channel. */
export interface Sound {
  rate: number;
  channels: Float32Array<ArrayBuffer>[];
  /** Of a sample; 0 where the browser decoded it. */
  bits: number;
  /** What the file says of itself that is not so; empty for nothing. */
  flaw: string;
}

/** Why a file is no sound that can be shown. */
export class NoSound extends Error {}

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/** Whether a file says that it is a WAV. */
export function isWav(data: DataView): boolean {
  return data.byteLength >= 12 && textAt(data, 0) === "RIFF" && textAt(data, 8) === "WAVE";
}

/** http://soundfile.sapp.org/doc/WaveFormat and WAVEFORMATEXTENSIBLE: whole numbers of 8 to 32 bits, and floats. */
export function fromWav(data: DataView): Sound {
  let format: { kind: number; channels: number; rate: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= data.byteLength; ) {
    const declared = data.getUint32(at + 4, true);
    const there = Math.min(declared, data.byteLength - at - 8);
    const name = textAt(data, at);
    if (name === "fmt " && there >= 16) {
      const kind = data.getUint16(at + 8, true);
      format = {
        kind: kind === EXTENSIBLE && there >= 26 ? data.getUint16(at + 32, true) : kind,
        channels: data.getUint16(at + 10, true),
        rate: data.getUint32(at + 12, true),
        bits: data.getUint16(at + 22, true),
      };
    } else if (name === "data") {
      if (!format) throw new NoSound("its samples come before it says how they are stored");
      return samples(data, at + 8, declared, there, format);
    }
    at += 8 + declared + (declared % 2);
  }
  throw new NoSound(format ? "it has no samples" : "it ends before it says how its samples are stored");
}

function samples(data: DataView, start: number, declared: number, there: number, format: { kind: number; channels: number; rate: number; bits: number }): Sound {
  const { kind, channels, rate, bits } = format;
  const read = reader(data, kind, bits);
  if (!read || channels < 1 || channels > 64) throw new NoSound(`its samples are of kind ${kind} with ${bits} bits in ${channels} channels, which is not known here`);
  if (rate < 1) throw new NoSound("it says that it has 0 samples a second");
  const width = (bits / 8) * channels;
  const count = Math.floor(there / width);
  const columns = Array.from({ length: channels }, () => new Float32Array(count));
  for (let i = 0, at = start; i < count; i++) {
    for (let c = 0; c < channels; c++, at += bits / 8) columns[c][i] = read(at);
  }
  const wanted = Math.floor(declared / width);
  const flaw = declared > there ? `it says that it has ${wanted} samples, and has ${count}` : "";
  return { rate, channels: columns, bits, flaw };
}

function reader(data: DataView, kind: number, bits: number): ((at: number) => number) | undefined {
  if (kind === FLOAT && bits === 32) return (at) => data.getFloat32(at, true);
  if (kind === FLOAT && bits === 64) return (at) => data.getFloat64(at, true);
  if (kind !== PCM) return undefined;
  if (bits === 8) return (at) => (data.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => data.getInt16(at, true) / 2 ** 15;
  if (bits === 24) return (at) => ((data.getInt8(at + 2) << 16) | data.getUint16(at, true)) / 2 ** 23;
  if (bits === 32) return (at) => data.getInt32(at, true) / 2 ** 31;
  return undefined;
}

function textAt(data: DataView, at: number): string {
  return String.fromCharCode(data.getUint8(at), data.getUint8(at + 1), data.getUint8(at + 2), data.getUint8(at + 3));
}
