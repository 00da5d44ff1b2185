const eachEscaped = /[.\\]/g;

/**
 * Returns the keys of a path, none for the empty one. Every text is a path; see
 * docs/semantics.md, Reading parameters.
 */
export function parsePath(path: string): string[] {
  if (path === "") return [];
  if (!path.includes("\\")) return path.split(".");
  const keys: string[] = [];
  let key = "";
  for (let i = 0; i < path.length; i++) {
    const c = path.charAt(i);
    const next = path.charAt(i + 1);
    if (c === ".") {
      keys.push(key);
      key = "";
    } else if (c === "\\" && (next === "." || next === "\\")) {
      key += next;
      i++;
    } else {
      key += c;
    }
  }
  keys.push(key);
  return keys;
}

/**
 * Returns the path of some keys. It has no path for a single empty key, as the
 * empty path is the parameters as a whole.
 */
export function joinPath(keys: readonly string[]): string {
  return keys.map((key) => key.replace(eachEscaped, "\\$&")).join(".");
}
