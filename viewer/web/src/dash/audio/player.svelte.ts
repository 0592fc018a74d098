import type { Sound } from "./wav";
import { looped, volume } from "./settings";

/** Slowest and quickest that browsers play. */
const RATES = [3_000, 384_000] as const;

export function playable({ rate, channels }: Sound): boolean {
  return rate >= RATES[0] && rate <= RATES[1] && channels.length <= 32 && channels[0].length > 0;
}

/** Plays one sound at a time, from any of its samples on. */
class Player {
  /** What is played, by the object that asked for it. */
  current = $state.raw<object | null>(null);
  #context: AudioContext | null = null;
  #source: AudioBufferSourceNode | null = null;
  #gain: GainNode | null = null;
  #began = 0;
  #offset = 0;
  #sound: Sound | null = null;

  play(owner: object, sound: Sound, from: number): void {
    this.stop();
    const context = (this.#context ??= new AudioContext());
    void context.resume();
    const buffer = context.createBuffer(sound.channels.length, sound.channels[0].length, sound.rate);
    sound.channels.forEach((samples, i) => buffer.copyToChannel(samples, i));
    const source = context.createBufferSource();
    const gain = context.createGain();
    gain.gain.value = volume.value / 100;
    source.buffer = buffer;
    source.loop = looped.value;
    source.connect(gain).connect(context.destination);
    source.onended = () => this.#source === source && this.stop();
    [this.#source, this.#gain, this.#sound] = [source, gain, sound];
    [this.#began, this.#offset] = [context.currentTime, from / sound.rate];
    source.start(0, this.#offset);
    this.current = owner;
  }

  stop(): void {
    const source = this.#source;
    this.#source = null;
    this.current = null;
    source?.stop();
  }

  setVolume(share: number): void {
    if (this.#gain) this.#gain.gain.value = share;
  }

  /** The sample that is heard now. */
  get sample(): number {
    if (!this.#context || !this.#sound) return 0;
    const { rate, channels } = this.#sound;
    const played = Math.round((this.#context.currentTime - this.#began + this.#offset) * rate);
    const length = Math.max(1, channels[0].length);
    return looped.value ? played % length : Math.min(length, played);
  }
}

export const player = new Player();
