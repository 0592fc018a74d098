import { checked } from "../../data/api";
import { blobUrl } from "../../data/values.svelte";
import { fromWav, isWav, NoSound, type Sound } from "./wav";

/** Decoded, a sound takes up to four times as much. */
const MOST_BYTES = 256 << 20;

export interface Place {
  run: string;
  tag: string;
  step: number;
  wall: number;
  n: number;
}

export interface Clip {
  sound: Sound;
  blob: Blob;
  /** Sounds that the step has. */
  count: number;
}

/** Fetches a sound and takes it apart; others than WAV are decoded by the browser. */
export async function fetchClip({ run, tag, step, wall, n }: Place, signal: AbortSignal): Promise<Clip> {
  const response = await checked(await fetch(blobUrl("audio", run, tag, step, wall, n), { signal }));
  const count = Number(response.headers.get("Blob-Count") ?? 1);
  const blob = await response.blob();
  const bytes = await blob.arrayBuffer();
  if (bytes.byteLength === 0) throw new NoSound("it is empty");
  if (bytes.byteLength > MOST_BYTES) throw new NoSound(`it has ${bytes.byteLength >> 20} MB; more than ${MOST_BYTES >> 20} MB are not decoded`);
  const view = new DataView(bytes);
  if (isWav(view)) return { sound: fromWav(view), blob, count };
  if (!/^audio\/|^video\/(mp4|webm)$/.test(blob.type)) throw new NoSound("it is no WAV, Ogg, FLAC or MP3");
  try {
    const decoded = await new OfflineAudioContext(1, 1, 44_100).decodeAudioData(bytes);
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
    return { sound: { rate: decoded.sampleRate, channels, bits: 0, flaw: "" }, blob, count };
  } catch {
    throw new NoSound("this browser cannot decode it: it is damaged, or of a kind it does not know");
  }
}
