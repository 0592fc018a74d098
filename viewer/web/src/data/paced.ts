/** Least milliseconds between two times for somebody who has nothing to show without. */
const SOON_MS = 250;

/** Has a job done soon after it was asked for, but never twice at once nor too often; what is asked meanwhile waits. */
export class Paced {
  #job: () => Promise<void>;
  #pause: number;
  #asked = false;
  #soon = false;
  #busy = false;
  /** Looks anew at how long to rest. */
  #rouse = (): void => undefined;

  /** `pause`: least milliseconds between the end of one and the start of the next; a job that takes long rests longer. */
  constructor(job: () => Promise<void>, pause: number) {
    this.#job = job;
    this.#pause = pause;
  }

  /** `soon`: something is missing, and not only older than it could be. A rest is short then, and as long as the job took. */
  ask(soon = false): void {
    this.#asked = true;
    this.#soon ||= soon;
    if (!this.#busy) void this.#run();
    else if (soon) this.#rouse();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#asked) {
      this.#asked = this.#soon = false;
      const start = performance.now();
      try {
        await this.#job();
      } catch {
        // The live connection to the same server breaks too, and asks for everything anew when it is back.
      }
      await this.#rest(performance.now() - start);
    }
    this.#busy = false;
  }

  #rest(took: number): Promise<void> {
    const began = performance.now();
    return new Promise((done) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      this.#rouse = () => {
        clearTimeout(timer);
        const pause = this.#soon ? Math.max(Math.min(SOON_MS, this.#pause), took) : Math.max(this.#pause, 3 * took);
        timer = setTimeout(done, Math.max(0, began + pause - performance.now()));
      };
      this.#rouse();
    });
  }
}
