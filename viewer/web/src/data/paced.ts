/** Has a job done soon after it was asked for, but never twice at once nor too often; what is asked meanwhile waits. */
export class Paced {
  #job: () => Promise<void>;
  #pause: number;
  #asked = false;
  #busy = false;

  /** `pause`: least milliseconds between the end of one and the start of the next; a job that takes long rests longer. */
  constructor(job: () => Promise<void>, pause: number) {
    this.#job = job;
    this.#pause = pause;
  }

  ask(): void {
    this.#asked = true;
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#asked) {
      this.#asked = false;
      const start = performance.now();
      try {
        await this.#job();
      } catch {
        // The live connection to the same server breaks too, and asks for everything anew when it is back.
      }
      await new Promise((done) => setTimeout(done, Math.max(this.#pause, 3 * (performance.now() - start))));
    }
    this.#busy = false;
  }
}
