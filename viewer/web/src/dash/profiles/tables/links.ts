/** Addresses of other views of the same profile. */

/** The key of what is searched for in the trace view. */
const SEARCH = "pfq";

/** The trace view with all events of a name found. */
export function traceHref(name: string, hash = location.hash): string {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  params.set("pfview", "trace");
  params.set(SEARCH, name);
  return `#${params.toString()}`;
}
