const shardCount = 256;

/** A map that is cheap to change a little of: a copy shares all shards but those that are written to. */
export class Table<K extends string | number, V> {
  readonly #shards: (Map<K, V> | undefined)[];
  /** The shards that this table may write to. */
  readonly #owned = new Set<number>();
  #size: number;

  constructor(from?: Table<K, V>) {
    this.#shards = from ? [...from.#shards] : Array.from({ length: shardCount }, () => undefined);
    this.#size = from ? from.#size : 0;
  }

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    return this.#shards[shard(key)]?.get(key);
  }

  set(key: K, value: V): void {
    const map = this.#writable(shard(key));
    const before = map.size;
    map.set(key, value);
    this.#size += map.size - before;
  }

  delete(key: K): void {
    if (this.get(key) === undefined) return;
    this.#writable(shard(key)).delete(key);
    this.#size--;
  }

  *values(): Generator<V> {
    for (const map of this.#shards) if (map) yield* map.values();
  }

  #writable(i: number): Map<K, V> {
    const map = this.#shards[i];
    if (map && this.#owned.has(i)) return map;
    const own = new Map(map);
    this.#shards[i] = own;
    this.#owned.add(i);
    return own;
  }
}

function shard(key: string | number): number {
  if (typeof key === "number") return key & (shardCount - 1);
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (shardCount - 1);
}
