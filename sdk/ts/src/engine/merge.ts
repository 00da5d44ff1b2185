/** How parameters are merged into JSON text. */
import type { Member, Params } from "./params.js";

/** Parameters that take part in a merge. */
export interface Part {
  /** The match that they come from, counted from the one of highest priority. */
  readonly match: number;
  readonly params: Params;
}

/** A value that takes part in a merge. */
export interface Whole {
  readonly match: number;
  /** The object that its key stands in. */
  readonly owner: Params;
  readonly member: Member;
}

/** A key of a merged object, with the value that it gets. */
export interface MergedMember extends Whole {
  /** The objects that other parts have under it, if it is one: they are merged. */
  readonly below: Part[];
  /** What it hides. */
  readonly hidden: Whole[];
}

/**
 * Merges the keys of some parameters, highest priority first. A key that is not there
 * yet is taken. Where both sides are objects they are to be merged, and in every other
 * case what is there stays.
 */
export function collect(parts: readonly Part[]): Map<string, MergedMember> {
  const merged = new Map<string, MergedMember>();
  for (const { match, params } of parts) {
    for (const [key, member] of params.members) {
      const above = merged.get(key);
      if (!above) {
        merged.set(key, { match, owner: params, member, below: [], hidden: [] });
      } else if (above.member.child && member.child) {
        above.below.push({ match, params: member.child });
      } else {
        above.hidden.push({ match, owner: params, member });
      }
    }
  }
  return merged;
}

/** Returns the objects that are merged under a key, none if there is no object. */
export function objectsOf({ match, member, below }: MergedMember): readonly Part[] {
  return member.child ? [{ match, params: member.child }, ...below] : [];
}

/**
 * Returns the merge of some parameters, highest priority first, as JSON text. It takes
 * time in the number of their members, not of parts times members.
 */
export function merge(parts: readonly Part[]): string {
  const out: string[] = [];
  append(out, parts);
  return out.join("");
}

function append(out: string[], parts: readonly Part[]): void {
  const filled = parts.filter(({ params }) => params.members.size > 0);
  const [only] = filled;
  if (filled.length < 2) {
    out.push(only?.params.json() ?? "{}");
    return;
  }
  let before = "{";
  for (const merged of collect(filled).values()) {
    const { owner, member } = merged;
    out.push(before);
    before = ",";
    if (merged.below.length === 0) {
      out.push(owner.text.slice(member.start, member.end));
    } else {
      out.push(owner.text.slice(member.start, member.value));
      append(out, objectsOf(merged));
    }
  }
  out.push("}");
}
