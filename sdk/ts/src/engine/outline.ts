/** Which paths there are. */
import type { Params } from "./params.js";
import { joinPath } from "./path.js";
import { compareText } from "./text.js";

/** The paths at which some parameters have values: those of all variants of an experiment, or of all experiments of a service. */
export class Outline {
  /** A value here is no object. Others may be one. */
  leaf = false;
  readonly children = new Map<string, Outline>();

  add(params: Params): void {
    for (const [key, member] of params.members) {
      const child = this.child(key);
      if (member.child) child.add(member.child);
      else child.leaf = true;
    }
  }

  join(other: Outline): void {
    this.leaf ||= other.leaf;
    for (const [key, theirs] of other.children) this.child(key).join(theirs);
  }

  private child(key: string): Outline {
    let child = this.children.get(key);
    if (!child) this.children.set(key, (child = new Outline()));
    return child;
  }

  /** Reports whether there is a value at a path. */
  has(keys: readonly string[]): boolean {
    let { children } = this;
    for (const key of keys) {
      const child = children.get(key);
      if (!child) return false;
      ({ children } = child);
    }
    return true;
  }

  /**
   * Returns the paths of all leaves, in UTF-8 byte order, but for one that has none:
   * the empty path is not that of the empty key.
   */
  leafPaths(): string[] {
    const paths = new Set<string>();
    this.collect([], paths);
    paths.delete("");
    return [...paths].sort(compareText);
  }

  private collect(keys: readonly string[], paths: Set<string>): void {
    if (this.leaf) paths.add(joinPath(keys));
    for (const [key, child] of this.children) child.collect([...keys, key], paths);
  }
}
