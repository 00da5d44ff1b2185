import { describe, expect, it } from "vitest";

import { Cache, type Cached } from "../../src/engine/cache.js";
import { Chance } from "./configs.js";

function entry(...identities: number[]): Cached {
  return { identities, held: 0 };
}

function matches({ identities }: Cached) {
  return identities.map((identity) => ({ identity }));
}

describe("the cache of results", () => {
  it("finds what was put there, and only for the same matches in the same order", () => {
    const cache = new Cache();
    const one = entry(1, 2, 3);
    cache.put(one, 100);
    expect(cache.get(matches(one))).toBe(one);
    for (const other of [[1, 2], [1, 3, 2], [1, 2, 3, 4], []])
      expect(cache.get(matches(entry(...other)))).toBeUndefined();
  });

  it("never holds more than its limit, and counts what it holds", () => {
    const chance = new Chance(8);
    const limit = 10_000;
    const cache = new Cache(limit);
    const all: { cached: Cached; bytes: number }[] = [];
    for (let i = 0; i < 5_000; i++) {
      const cached = entry(chance.below(50), chance.below(50));
      let bytes = 1 + chance.below(700);
      cache.put(cached, bytes);
      const more = chance.below(400);
      if (cached.held > 0 && cache.grow(cached, more)) bytes += more;
      all.push({ cached, bytes });
      expect(cache.bytes).toBeLessThanOrEqual(limit);
    }
    const held = all.filter(({ cached }) => cached.held > 0);
    expect(held).toHaveLength(cache.size);
    expect(held.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(cache.bytes);
    for (const { cached } of held) expect(cache.get(matches(cached))).toBe(cached);
  });

  it("lets the oldest make room, and does not keep what is large", () => {
    const cache = new Cache(1_600);
    const entries = Array.from({ length: 20 }, (_, i) => entry(i + 1));
    for (const each of entries) cache.put(each, 100);
    expect(entries.map((each) => cache.get(matches(each)) !== undefined)).toEqual(entries.map((_, i) => i >= 4));
    const large = entry(99);
    cache.put(large, 101);
    expect(cache.get(matches(large))).toBeUndefined();
    expect(large.held).toBe(0);
    expect(cache.grow(large, 1 << 30)).toBe(true); // it is its owner's alone
  });

  it("gives no room to what it does not keep any more, or has none for", () => {
    const cache = new Cache(1_600);
    const [one, other] = [entry(1), entry(1)];
    cache.put(one, 100);
    expect(cache.grow(one, 1_501)).toBe(false);
    expect(cache.grow(one, 1_500)).toBe(true);
    cache.put(other, 100); // in its place
    expect(cache.bytes).toBe(100);
    expect(cache.grow(one, 1)).toBe(false);
  });
});
