/**
 * Named contents, so kept that a changed copy costs what is changed, the hash of
 * all of it is known, and two trees are compared in the time of what differs. The
 * layout is part of the contract between servers and their followers in every
 * language: see strata.config.v1.Entity.
 */
import { createHash } from "node:crypto";

import { compareText } from "./engine/text.js";

/** Names an item. */
export interface Key {
  /** 1 to 255. */
  readonly kind: number;
  /** Unique in its kind. */
  readonly name: string;
}

/** Orders by kind, then by name in UTF-8 byte order. */
export function compareKeys(a: Key, b: Key): number {
  return a.kind - b.kind || compareText(a.name, b.name);
}

/** What a tree holds. It never changes. */
export interface Item {
  readonly key: Key;
  /** The SHA-256 of its contents. */
  readonly digest: Uint8Array;
}

/** An item that two trees do not have in common; undefined where a tree has none. */
export interface Difference<T extends Item> {
  readonly key: Key;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/**
 * How many leaves a tree has. With 256, a change among 20,000 items copies and
 * hashes about 80 of them instead of all.
 */
const leafCount = 256;

interface Leaf<T> {
  readonly items: readonly T[];
  readonly digest: Uint8Array;
}

/** A hash tree of two levels. It never changes; the next one shares what stays. */
export class Tree<T extends Item> {
  /** The hash of the contents. */
  readonly hash: Uint8Array;

  private constructor(
    private readonly leaves: readonly Leaf<T>[],
    /** How many items there are. */
    readonly size: number,
  ) {
    const whole = createHash("sha256");
    for (const leaf of leaves) whole.update(leaf.digest);
    this.hash = whole.digest();
  }

  /** The tree of nothing. */
  static empty<T extends Item>(): Tree<T> {
    const leaf: Leaf<T> = { items: [], digest: digestOf([]) };
    return new Tree<T>(
      Array.from({ length: leafCount }, () => leaf),
      0,
    );
  }

  /** Returns the item of a key, if there is one. */
  get(key: Key): T | undefined {
    const items = this.leaves[leafOf(key)]?.items ?? [];
    const item = items[place(items, key)];
    return item && compareKeys(item.key, key) === 0 ? item : undefined;
  }

  /**
   * Returns the tree with items put, of which the last one of a key counts, and
   * others removed. Of an item that is put and removed, the put counts.
   */
  with(puts: readonly T[], deletes: readonly Key[]): Tree<T> {
    const changed = new Map<number, T[]>();
    let size = this.size;
    const open = (key: Key): T[] => {
      const leaf = leafOf(key);
      let items = changed.get(leaf);
      if (!items) changed.set(leaf, (items = [...(this.leaves[leaf]?.items ?? [])]));
      return items;
    };
    for (const key of deletes) {
      if (!this.get(key)) continue;
      const items = open(key);
      const at = place(items, key);
      const item = items[at];
      if (item && compareKeys(item.key, key) === 0) {
        items.splice(at, 1);
        size--;
      }
    }
    for (const item of puts) {
      const items = open(item.key);
      const at = place(items, item.key);
      const there = items[at];
      const replaces = there && compareKeys(there.key, item.key) === 0;
      items.splice(at, replaces ? 1 : 0, item);
      if (!replaces) size++;
    }
    const leaves = [...this.leaves];
    for (const [leaf, items] of changed) leaves[leaf] = { items, digest: digestOf(items) };
    return new Tree(leaves, size);
  }

  /** All items: leaf by leaf, in each by key. The same contents come in the same order. */
  *all(): Generator<T> {
    for (const leaf of this.leaves) yield* leaf.items;
  }

  /** Returns what differs in another tree, by key. Items of equal digests do not differ. */
  compare(after: Tree<T>): Difference<T>[] {
    const found: Difference<T>[] = [];
    this.leaves.forEach((leaf, i) => {
      const other = after.leaves[i];
      if (other && other !== leaf && !sameBytes(leaf.digest, other.digest)) {
        compareLeaves(found, leaf.items, other.items);
      }
    });
    return found.sort((a, b) => compareKeys(a.key, b.key));
  }
}

function compareLeaves<T extends Item>(found: Difference<T>[], a: readonly T[], b: readonly T[]): void {
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const x = a[i];
    const y = b[j];
    const order = x && y ? compareKeys(x.key, y.key) : x ? -1 : 1;
    if (x && order < 0) {
      found.push({ key: x.key, before: x, after: undefined });
      i++;
    } else if (y && order > 0) {
      found.push({ key: y.key, before: undefined, after: y });
      j++;
    } else {
      if (x && y && !sameBytes(x.digest, y.digest)) found.push({ key: x.key, before: x, after: y });
      i++;
      j++;
    }
  }
}

/** The first place whose item is not before a key. */
function place(items: readonly Item[], key: Key): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item && compareKeys(item.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function leafOf(key: Key): number {
  return createHash("sha256").update(Uint8Array.of(key.kind)).update(key.name).digest()[0] ?? 0;
}

function digestOf(items: readonly Item[]): Uint8Array {
  const hash = createHash("sha256");
  for (const { key, digest } of items) {
    const name = Buffer.from(key.name);
    const head = Buffer.alloc(5);
    head.writeUInt8(key.kind, 0);
    head.writeUInt32BE(name.length, 1);
    hash.update(head).update(name).update(digest);
  }
  return hash.digest();
}

/** Reports whether two runs of bytes are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
