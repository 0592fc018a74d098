/** Files one after the other, not packed: pictures are packed already. Format: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4. */
export function zipped(files: readonly { name: string; data: Uint8Array<ArrayBuffer> }[]): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const { name, data } of files) {
    const spelled = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    const shared = [le(20, 2), le(0x0800, 2), le(0, 2), le(0, 2), le(0x21, 2), le(crc32(data), 4), le(data.length, 4), le(data.length, 4), le(spelled.length, 2), le(0, 2)];
    const head = joined([le(0x04034b50, 4), ...shared, spelled]);
    directory.push(joined([le(0x02014b50, 4), le(20, 2), ...shared, le(0, 2), le(0, 2), le(0, 2), le(0, 4), le(at, 4), spelled]));
    parts.push(head, data);
    at += head.length + data.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = joined([le(0x06054b50, 4), le(0, 4), le(files.length, 2), le(files.length, 2), le(size, 4), le(at, 4), le(0, 2)]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

function le(value: number, bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 255);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(data: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of data) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
