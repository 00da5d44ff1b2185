import type { Match } from "./engine/types.js";

/** How many meetings are remembered at least; twice as many at most. */
const generation = 50_000;
/** How long a key is, in UTF-16 units, that is remembered as it is. */
const shortKey = 64;

/**
 * Meetings remembers who has met which variant in which window: the latest, and about as
 * many before them.
 */
export class Meetings {
  #latest = new Set<string>();
  #previous = new Set<string>();

  /** Reports whether a meeting need not be recorded, and remembers it. */
  again(match: Match, key: string, hidden: boolean): boolean {
    if (hidden && this.#remembers(nameOf(match, key, false))) {
      return true; // it was recorded when it was not hidden, which says more
    }
    const meeting = nameOf(match, key, hidden);
    if (this.#latest.has(meeting)) {
      return true;
    }
    const known = this.#previous.has(meeting);
    if (this.#latest.size >= generation) {
      this.#previous = this.#latest;
      this.#latest = new Set();
    }
    this.#latest.add(meeting);
    return known;
  }

  /** Has a meeting recorded the next time. */
  forget(match: Match, key: string, hidden: boolean): void {
    const meeting = nameOf(match, key, hidden);
    this.#latest.delete(meeting);
    this.#previous.delete(meeting);
  }

  #remembers(meeting: string): boolean {
    return this.#latest.has(meeting) || this.#previous.has(meeting);
  }
}

/** Returns a text that tells meetings apart. */
function nameOf(match: Match, key: string, hidden: boolean): string {
  const who = key.length > shortKey ? `#${key.length}.${hash(key)}` : `:${key}`;
  return `${match.vid}.${match.window}.${hidden ? 1 : 0}${who}`;
}

/** Returns 64 bits in hexadecimal that tell texts apart. */
function hash(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return `${(a >>> 0).toString(16)}.${(b >>> 0).toString(16)}`;
}
