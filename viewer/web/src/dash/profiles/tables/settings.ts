/** How tables are looked at, which the address keeps. */
import { json, setting } from "../../../app/setting.svelte";
import { PLAIN, type Look } from "./wire";

type Looks = Readonly<Record<string, Partial<Look>>>;

function isLooks(value: unknown): value is Looks {
  const kinds: Readonly<Record<string, string>> = { q: "string", regex: "boolean", sort: "string" };
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((look: unknown) => typeof look === "object" && look !== null && Object.entries(look).every(([key, one]) => kinds[key] === typeof one))
  );
}

/** Filter and order of each table, where they are not the usual ones. */
export const looks = setting<Looks>("pftables", json(isLooks), {});

export const lookOf = (name: string): Look => ({ ...PLAIN, ...looks.value[name] });

export function setLook(name: string, change: Partial<Look>): void {
  const next = { ...lookOf(name), ...change };
  const told = Object.fromEntries(Object.entries(next).filter(([key, value]) => value !== PLAIN[key as keyof Look]));
  const { [name]: _, ...others } = looks.value;
  looks.value = Object.keys(told).length > 0 ? { ...others, [name]: told } : others;
}
