/** Which part of a mesh a tag holds, and what the mesh is called. */
const SUFFIX = /^([^]*)_(VERTEX|FACE|COLOR|[123])$/;

const KINDS: Record<string, Kind> = { VERTEX: "vertices", FACE: "faces", COLOR: "colors", 1: "vertices", 2: "faces", 3: "colors" };
export type Kind = "vertices" | "faces" | "colors";

export interface Part {
  name: string;
  kind: Kind;
}

/** A tag that says nothing of its part is taken for vertices: then the server tells what it is. */
export function partOf(tag: string): Part {
  const found = SUFFIX.exec(tag);
  return found ? { name: found[1], kind: KINDS[found[2]] } : { name: tag, kind: "vertices" };
}

/** One mesh of one run: the tags of its parts. */
export interface Source {
  id: string;
  run: string;
  name: string;
  tags: Partial<Record<Kind, string>>;
}

/** Cards are called by mesh and run, with something between them that no name holds. */
export function idOf(name: string, run: string): string {
  return `${name}\0${run}`;
}

/** All meshes of the runs that are wanted, by name and then as the runs come. */
export function sourcesOf(tags: ReadonlyMap<string, readonly string[]>, wanted: (run: string) => boolean): Map<string, Source[]> {
  const found = new Map<string, Map<string, Source>>();
  for (const [tag, runs] of tags) {
    const { name, kind } = partOf(tag);
    for (const run of runs) {
      if (!wanted(run)) continue;
      const byRun = found.get(name) ?? new Map<string, Source>();
      found.set(name, byRun);
      const source = byRun.get(run) ?? { id: idOf(name, run), run, name, tags: {} };
      byRun.set(run, source);
      // Of a run that says both, "x_VERTEX" and not "x_1".
      if (!source.tags[kind] || /[A-Z]$/.test(tag)) source.tags[kind] = tag;
    }
  }
  return new Map([...found].map(([name, byRun]) => [name, [...byRun.values()]]));
}
