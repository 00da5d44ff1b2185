/** What is found at a path, and who is exposed by reading it. */
import { merge, type Part } from "./merge.js";
import type { Outline } from "./outline.js";
import type { Params } from "./params.js";

/** What a Way finds. */
export interface Finding {
  /** JSON text, undefined where there is no value. */
  readonly text: string | undefined;
  /** The match that set it, -1 where there is none. */
  readonly winner: number;
}

/** Where some parameters, merged, have a value. */
interface Place {
  /** The first match that has a value there. */
  readonly first: number;
  /** What is below; undefined where the value is no object, and so all below is the same. */
  readonly children: Map<string, Place> | undefined;
}

/**
 * The way down some parameters, merged, along a path.
 *
 * What is asked for each leaf of each match is whether the matches above it have a
 * value there. As what is there stays, whatever comes below, one merge answers that for
 * all matches: it says for each place which match was the first to have a value there.
 */
export class Way {
  /** By how many keys have been followed: the first match that has a value there, or no object on the way there. */
  private readonly reached: number[] = [];
  /** The value that is no object which ends the way, and after how many keys. */
  private whole: { readonly after: number; readonly text: string } | undefined = undefined;
  private parts: readonly Part[];
  /** What is merged below the path, made when it is first asked for. */
  private below: Map<string, Place> | undefined = undefined;

  constructor(
    parts: readonly Part[],
    private readonly keys: readonly string[],
  ) {
    this.parts = parts;
    for (const key of keys) this.follow(key);
  }

  private follow(key: string): void {
    const parts: Part[] = [];
    let first = this.whole ? (this.reached.at(-1) ?? Infinity) : Infinity;
    for (const { match, params } of this.parts) {
      const member = params.members.get(key);
      if (!member) continue;
      if (member.child) {
        parts.push({ match, params: member.child });
      } else if (parts.length === 0) {
        this.whole = { after: this.reached.length + 1, text: params.text.slice(member.value, member.end) };
        first = match;
        break;
      }
    }
    this.parts = parts;
    this.reached.push(parts[0]?.match ?? first);
  }

  /** Returns what is at the path. */
  find(): Finding {
    const [first] = this.parts;
    if (this.whole) {
      const { after, text } = this.whole;
      return after === this.keys.length
        ? { text: owned(text), winner: this.reached.at(-1) ?? -1 }
        : { text: undefined, winner: -1 };
    }
    return first ? { text: owned(merge(this.parts)), winner: first.match } : { text: undefined, winner: -1 };
  }

  /**
   * Returns what the matches above one make of the leaves of an outline: whether there
   * are leaves at the beginning of the path, there or below, and whether all of them
   * are covered.
   */
  covers(outline: Outline, match: number): { leaves: boolean; covered: boolean } {
    const found = { leaves: false, covered: true };
    let at = outline;
    for (const [i, key] of this.keys.entries()) {
      const child = at.children.get(key);
      if (!child) return found;
      at = child;
      if (at.leaf) note(found, (this.reached[i] ?? Infinity) < match);
    }
    if (at.children.size > 0) coversBelow(found, at, this.end(), match);
    return found;
  }

  private end(): Place {
    const first = this.reached.at(-1) ?? Infinity;
    if (this.whole || this.parts.length === 0) return { first, children: undefined };
    this.below ??= placesOf(this.parts);
    return { first, children: this.below };
  }
}

function note(found: { leaves: boolean; covered: boolean }, covered: boolean): void {
  found.leaves = true;
  found.covered &&= covered;
}

const nowhere: Place = { first: Infinity, children: undefined };

function coversBelow(
  found: { leaves: boolean; covered: boolean },
  outline: Outline,
  place: Place,
  match: number,
): void {
  for (const [key, child] of outline.children) {
    const under = place.children ? (place.children.get(key) ?? nowhere) : place;
    if (child.leaf) note(found, under.first < match);
    coversBelow(found, child, under, match);
  }
}

function placesOf(parts: readonly Part[]): Map<string, Place> {
  const root = new Map<string, Place>();
  for (const { match, params } of parts) addPlaces(root, params, match);
  return root;
}

function addPlaces(places: Map<string, Place>, params: Params, match: number): void {
  for (const [key, { child }] of params.members) {
    let place = places.get(key);
    if (!place) places.set(key, (place = { first: match, children: child && new Map() }));
    if (place.children && child) addPlaces(place.children, child, match);
  }
}

/**
 * Returns a text that is no part of a longer one, which would be kept in memory as a
 * whole: what is cut from the join keeps that alone.
 */
function owned(text: string): string {
  return ` ${text}`.slice(1);
}
