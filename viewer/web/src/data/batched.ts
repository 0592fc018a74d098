/** Values that never change, fetched when they are wanted, those wanted at the same time together, and kept for a while. */
export class Batched<Asked extends object, Told> {
  #kept = new Map<string, Promise<Told>>();
  #waiting: { asked: Asked; resolve: (told: Told) => void; reject: (error: unknown) => void }[] = [];

  constructor(
    readonly fetch: (asked: readonly Asked[]) => Promise<readonly Told[]>,
    /** Most values in one request, and kept for when they are wanted again. */
    readonly mostAsked = 40,
    readonly mostKept = 300,
  ) {}

  get(asked: Asked): Promise<Told> {
    const key = JSON.stringify(asked);
    const known = this.#kept.get(key);
    if (known) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known;
    }
    const told = new Promise<Told>((resolve, reject) => {
      if (this.#waiting.length === 0) setTimeout(() => void this.#bring());
      this.#waiting.push({ asked, resolve, reject });
    });
    this.#kept.set(key, told);
    // What failed is asked for again.
    told.catch(() => this.#kept.delete(key));
    if (this.#kept.size > this.mostKept) this.#kept.delete(this.#kept.keys().next().value ?? "");
    return told;
  }

  async #bring(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += this.mostAsked) {
      const part = waiting.slice(from, from + this.mostAsked);
      try {
        const told = await this.fetch(part.map(({ asked }) => asked));
        part.forEach(({ resolve }, i) => resolve(told[i]));
      } catch (error) {
        for (const { reject } of part) reject(error);
      }
    }
  }
}
