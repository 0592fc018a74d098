/** Runs as a tree by the "/" in their names. A folder that holds one thing only is drawn as one with it. */
export interface Branch {
  label: string;
  /** The name up to here; a run's whole name. */
  path: string;
  /** Null for a run. */
  children: Branch[] | null;
  /** The names of all runs below, itself for a run. */
  runs: readonly string[];
}

/** A branch in its place in the list. */
export interface Line {
  branch: Branch;
  depth: number;
  open: boolean;
}

interface Node {
  children: Map<string, Node>;
  isRun: boolean;
}

function grow(names: readonly string[]): Node {
  const root: Node = { children: new Map(), isRun: false };
  for (const name of names) {
    let node = root;
    for (const part of name.split("/")) {
      let next = node.children.get(part);
      if (!next) node.children.set(part, (next = { children: new Map(), isRun: false }));
      node = next;
    }
    node.isRun = true;
  }
  return root;
}

function branchOf(label: string, path: string, node: Node): Branch {
  while (node.children.size === 1 && !node.isRun) {
    const [[part, only]] = node.children;
    label += `/${part}`;
    path += `/${part}`;
    node = only;
  }
  if (node.children.size === 0) return { label, path, children: null, runs: [path] };
  const children = [...node.children].map(([part, child]) => branchOf(part, `${path}/${part}`, child));
  if (node.isRun) children.unshift({ label: ".", path, children: null, runs: [path] });
  return { label, path, children, runs: children.flatMap(({ runs }) => runs) };
}

/** The top branches, in the order of `names`. */
export function treeOf(names: readonly string[]): Branch[] {
  return [...grow(names).children].map(([part, child]) => branchOf(part, part, child));
}

/** The folded folders (all but the named ones, when the first name is "*") with this one turned over. */
export function turned(folded: readonly string[], path: string): readonly string[] {
  const all = folded[0] === "*";
  const names = all ? folded.slice(1) : folded;
  const left = names.includes(path) ? names.filter((name) => name !== path) : [...names, path];
  return all ? ["*", ...left] : left;
}

/** What stands in the list, from top to bottom. */
export function linesOf(branches: readonly Branch[], folded: readonly string[]): Line[] {
  const lines: Line[] = [];
  const named = new Set(folded);
  const all = folded[0] === "*";
  const walk = (some: readonly Branch[], depth: number): void => {
    for (const branch of some) {
      const open = branch.children !== null && named.has(branch.path) === all;
      lines.push({ branch, depth, open });
      if (open && branch.children) walk(branch.children, depth + 1);
    }
  };
  walk(branches, 0);
  return lines;
}
