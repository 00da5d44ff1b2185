/** What was merged before. */

/** Bounds what the cached results of a Ruleset and all made from it hold, in bytes, about. */
const cacheBytes = 64 << 20;

/** What a cache keeps. */
export interface Cached {
  /** The variants in their layers that it was merged from. */
  readonly identities: readonly number[];
  /** The cache's own: how many bytes it counts for it; 0 before it is in the cache, and negative after. */
  held: number;
}

/**
 * Keeps results by the combination of variants that they were merged from. A result
 * depends on nothing else, and unchanged variants keep their identity from one Ruleset
 * to the next, so all revisions share one cache. The oldest ones make room.
 */
export class Cache<T extends Cached> {
  /** By the hash of the combination. Of two that have the same, the later one is kept. */
  private readonly entries = new Map<number, T>();
  private readonly limit: number;
  private held = 0;

  constructor(limit: number = cacheBytes) {
    this.limit = limit;
  }

  /** How many bytes are held. */
  get bytes(): number {
    return this.held;
  }

  /** How many entries are held. */
  get size(): number {
    return this.entries.size;
  }

  /** Returns what was merged from some matches, if it is at hand. */
  get(matches: readonly { readonly identity: number }[]): T | undefined {
    let hash = 0;
    for (const { identity } of matches) hash = mixed(hash, identity);
    const entry = this.entries.get(hash & hashMask);
    if (!entry || entry.identities.length !== matches.length) return undefined;
    for (let i = 0; i < matches.length; i++) {
      if (entry.identities[i] !== matches[i]?.identity) return undefined;
    }
    return entry;
  }

  /** Keeps an entry of some bytes for a time. One that is large is not kept. */
  put(entry: T, bytes: number): void {
    if (bytes > this.limit / 16) return;
    let hash = 0;
    for (const identity of entry.identities) hash = mixed(hash, identity);
    this.drop(hash & hashMask);
    entry.held = bytes;
    this.held += bytes;
    this.entries.set(hash & hashMask, entry);
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.limit) return;
      this.drop(oldest);
    }
  }

  /**
   * Counts bytes that an entry wants to hold beside its own. It returns false where
   * there is no room for them, or it is not kept any more.
   */
  grow(entry: T, bytes: number): boolean {
    if (entry.held === 0) return true; // it is its owner's alone
    if (entry.held < 0 || this.held + bytes > this.limit) return false;
    entry.held += bytes;
    this.held += bytes;
    return true;
  }

  private drop(hash: number): void {
    const entry = this.entries.get(hash);
    if (!entry) return;
    this.entries.delete(hash);
    this.held -= entry.held;
    entry.held = -1;
  }
}

/** Hashes are of 30 bits, so that engines keep them as small integers. */
const hashMask = 0x3fff_ffff;

function mixed(hash: number, identity: number): number {
  const mix = Math.imul(hash ^ identity, 0x9e37_79b1);
  return mix ^ (mix >>> 15);
}
