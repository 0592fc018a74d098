/** How the address says a value: null when what it says means nothing. */
export interface Codec<T> {
  /** All there are, where there are few: the palette offers them. */
  values?: readonly T[];
  decode: (texts: readonly string[]) => T | null;
  /** One text for each time the key stands in the address. */
  encode: (value: T) => readonly string[];
}

export const text: Codec<string> = { decode: ([first]) => first ?? null, encode: (value) => [value] };

export const flag: Codec<boolean> = {
  values: [true, false],
  decode: ([first]) => (first === "1" ? true : first === "0" ? false : null),
  encode: (value) => [value ? "1" : "0"],
};

/** A finite number, moved into its bounds. */
export function number(lo = -Infinity, hi = Infinity): Codec<number> {
  return {
    decode: ([first]) => {
      const value = first === undefined || first.trim() === "" ? NaN : Number(first);
      return Number.isFinite(value) ? Math.min(hi, Math.max(lo, value)) : null;
    },
    encode: (value) => [String(value)],
  };
}

export function choice<T extends string>(values: readonly T[]): Codec<T> {
  return { values, decode: ([first]) => values.find((value) => value === first) ?? null, encode: (value) => [value] };
}

/** Several texts, none of them empty; the key stands once for each. */
export const texts: Codec<readonly string[]> = {
  decode: (given) => given.filter((one) => one !== ""),
  encode: (value) => value,
};

/** Anything JSON can say; `fits` tells whether it is of the right shape, as an address may hold anything. */
export function json<T>(fits: (value: unknown) => value is T): Codec<T> {
  return {
    decode: ([first]) => {
      try {
        const value: unknown = JSON.parse(first ?? "");
        return fits(value) ? value : null;
      } catch {
        return null;
      }
    },
    encode: (value) => [JSON.stringify(value)],
  };
}

/** Something a person can set, which the address keeps unless it has its usual value. */
export class Setting<T> {
  #value: T;
  readonly #usual: readonly string[];

  constructor(
    readonly key: string,
    readonly codec: Codec<T>,
    readonly usual: T,
  ) {
    this.#value = $state.raw(usual);
    this.#usual = codec.encode(usual);
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    this.#value = value;
  }

  reset(): void {
    this.#value = this.usual;
  }

  read(params: URLSearchParams): void {
    this.#value = (params.has(this.key) ? this.codec.decode(params.getAll(this.key)) : null) ?? this.usual;
  }

  write(params: URLSearchParams): void {
    const now = this.codec.encode(this.#value);
    if (now.length === this.#usual.length && now.every((one, i) => one === this.#usual[i])) return;
    for (const one of now) params.append(this.key, one);
  }
}

/** All settings of the page. What the address says of one that is declared later, by code not loaded yet, waits for it. */
export class Settings {
  #all = new Map<string, Setting<unknown>>();
  #given = $state.raw(new URLSearchParams());
  /** How many there are: what was written before another was declared has to be written again. */
  #declared = $state(0);

  /** Declares a setting; its key must be its own. */
  declare<T>(key: string, codec: Codec<T>, usual: T): Setting<T> {
    if (this.#all.has(key)) throw new Error(`two settings are called ${key}`);
    const made = new Setting(key, codec, usual);
    made.read(this.#given);
    this.#all.set(key, made as Setting<unknown>);
    this.#declared = this.#all.size;
    return made;
  }

  read(params: URLSearchParams, reserved: ReadonlySet<string>): void {
    const given = new URLSearchParams(params);
    for (const key of reserved) given.delete(key);
    this.#given = given;
    for (const setting of this.#all.values()) setting.read(given);
  }

  write(params: URLSearchParams): void {
    void this.#declared;
    for (const [key, value] of this.#given) if (!this.#all.has(key)) params.append(key, value);
    for (const setting of this.#all.values()) setting.write(params);
  }

  /** Every setting, for sheets and tests that go through all of them. */
  get all(): readonly Setting<unknown>[] {
    return [...this.#all.values()];
  }
}

/** The page's own. */
export const settings = new Settings();

/** Declares a setting of the page, in the module that it belongs to: `export const bands = setting("bands", flag, true)`. */
export function setting<T>(key: string, codec: Codec<T>, usual: T): Setting<T> {
  return settings.declare(key, codec, usual);
}
