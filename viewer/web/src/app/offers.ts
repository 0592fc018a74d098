import { actions } from "./actions";
import type { App } from "./context";
import { goToTag } from "./seek";
import { settings, type Setting } from "./setting.svelte";
import { AXES, RISES } from "./url";

/** What the palette offers. */
export interface Offer {
  kind: string;
  label: string;
  /** What it is searched by, in small letters. */
  text: string;
  keys?: readonly string[] | undefined;
  run: () => void;
}

function offer(kind: string, label: string, run: () => void, keys?: readonly string[]): Offer {
  return { kind, label, text: `${label} ${kind}`.toLowerCase(), run, keys };
}

/** Everything that can be asked for now: few things first, then tags and runs, of which there may be thousands. */
export function offers(app: App): Offer[] {
  const { board, view } = app;
  return [
    ...actions.all
      .filter(({ when }) => when?.() ?? true)
      .map(({ does, group, run, keys }) => offer(group, does, run, keys)),
    ...app.views.list.map(({ name }) => offer("view", name, () => app.views.apply(name))),
    ...choices(app),
    ...settings.all.flatMap(settingOffers),
    ...[...board.scalars.keys()].map((tag) => offer("go to tag", tag, () => goToTag(tag))),
    ...board.names.map((run) => offer("only this run", run, () => view.solo(run))),
    ...board.names.map((run) => {
      const on = view.drawn.has(run);
      return offer(on ? "untick run" : "tick run", run, () => view.tick(run, !on));
    }),
  ];
}

function choices({ view, theme }: App): Offer[] {
  return [
    ...AXES.map((axis) => offer("horizontal axis", axis, () => (view.axis = axis))),
    ...RISES.map((rise) => offer("vertical axis", rise, () => (view.rise = rise))),
    ...(["system", "dark", "light"] as const).map((choice) => offer("theme", choice, () => theme.set(choice))),
    offer("runs", "Tick all", () => view.tickMatching(true)),
    offer("runs", "Tick none", () => view.tickMatching(false)),
    offer("page", "Everything as usual", () => view.restore("")),
  ];
}

function settingOffers(setting: Setting<unknown>): Offer[] {
  const named = (value: unknown): string => (value === true ? "on" : value === false ? "off" : String(value));
  return (setting.codec.values ?? [])
    .filter((value) => value !== setting.value)
    .map((value) => offer("setting", `${setting.key}: ${named(value)}`, () => (setting.value = value)));
}
