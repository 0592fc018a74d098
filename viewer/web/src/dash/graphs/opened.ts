/** Open namespaces in an address: names that begin alike share their beginning, as "a(b,c(d))". */

interface Twig {
  /** Whether the namespace itself is open, and not only some within it. */
  open: boolean;
  inner: Map<string, Twig>;
}

const twig = (): Twig => ({ open: false, inner: new Map() });
const escaped = (part: string): string => part.replace(/[\\(),*]/g, (sign) => `\\${sign}`);

export function saidOpen(names: readonly string[]): string {
  const root = twig();
  for (const name of names) {
    let at = root;
    for (const part of name.split("/")) {
      let next = at.inner.get(part);
      if (!next) at.inner.set(part, (next = twig()));
      at = next;
    }
    at.open = true;
  }
  const said = ({ inner }: Twig): string =>
    [...inner]
      .map(([part, next]) => `${escaped(part)}${next.open || next.inner.size === 0 ? "" : "*"}${next.inner.size > 0 ? `(${said(next)})` : ""}`)
      .join(",");
  return said(root);
}

/** The names; of a text that is no such list, as much as can be read. */
export function heardOpen(text: string): string[] {
  const names: string[] = [];
  const above: string[] = [];
  let [part, only, at] = ["", false, 0];
  let named = false;
  const end = (): void => {
    if (named && !only) names.push([...above, part].join("/"));
    [part, only, named] = ["", false, false];
  };
  for (; at < text.length; at++) {
    const sign = text[at];
    if (sign === "\\" && at + 1 < text.length) {
      part += text[++at];
      named = true;
    } else if (sign === "*") only = true;
    else if (sign === "(") {
      const name = part;
      end();
      above.push(name);
    } else if (sign === ")") {
      end();
      above.pop();
    } else if (sign === ",") end();
    else {
      part += sign;
      named = true;
    }
  }
  end();
  return names;
}
