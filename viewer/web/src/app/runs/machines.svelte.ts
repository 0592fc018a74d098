import type { Machine } from "./machine";

let kind = $state.raw<typeof Machine | null>(null);
let asked: Promise<void> | null = null;

/** Fetches what runs the regexes that the browser's engine may not: few people ever type one. */
export function fetchMachine(): Promise<void> {
  return (asked ??= import("./machine").then(
    ({ Machine }) => void (kind = Machine),
    () => void (asked = null),
  ));
}

/** It, or null while it is on its way; whoever asked within an effect or a derived value is run again then. */
export function machineKind(): typeof Machine | null {
  if (!kind) void fetchMachine();
  return kind;
}
