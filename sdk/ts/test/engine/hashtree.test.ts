import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { compareKeys, type Difference, type Item, Tree } from "../../src/hashtree.js";
import { Entity, View } from "../../src/view.js";
import { Chance } from "./configs.js";

interface Vector {
  readonly name: string;
  readonly entities: readonly { readonly kind: number; readonly key: string; readonly payload_hex: string }[];
  readonly hash_hex: string;
}

const file = new URL("../../../conformance/hashtree/vectors.json", import.meta.url);
const { trees } = JSON.parse(readFileSync(file, "utf8")) as { trees: Vector[] };

const at = { epoch: 1n, revision: 1n };

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString("hex");
}

describe("the hash of a configuration", () => {
  it.each(trees)("$name", ({ entities, hash_hex: want }) => {
    const all = entities.map(
      ({ kind, key, payload_hex: payload }) => new Entity({ kind, name: key }, Buffer.from(payload, "hex")),
    );
    expect(hex(View.empty.with(at, all, []).hash)).toBe(want);
    // One after the other it is the same.
    let view = View.empty;
    for (const each of all) view = view.with(at, [each], []);
    expect(hex(view.hash)).toBe(want);
  });

  it("knows all of them", () => {
    expect(trees.length).toBeGreaterThan(5);
  });
});

function item(chance: Chance): Item {
  return {
    key: { kind: chance.pick(1, 2), name: chance.pick("é", "\uffee", "\u{1f600}", "k") + chance.below(40) },
    digest: new Uint8Array(32).fill(chance.below(3)),
  };
}

function text({ key }: Pick<Item, "key">): string {
  return `${key.kind}.${key.name}`;
}

describe("a tree", () => {
  it("is what was put and not removed, whatever the order, and tells what differs", () => {
    const chance = new Chance(9);
    let tree = Tree.empty<Item>();
    const model = new Map<string, Item>();
    for (let i = 0; i < 200; i++) {
      const before = tree;
      const was = new Map(model);
      const puts = Array.from({ length: chance.below(6) }, () => item(chance));
      const deletes = Array.from({ length: chance.below(6) }, () => item(chance).key);
      tree = tree.with(puts, deletes);
      for (const key of deletes) model.delete(text({ key }));
      for (const put of puts) model.set(text(put), put);
      expect(tree.size).toBe(model.size);
      expect([...tree.all()].map(text).toSorted()).toEqual([...model.keys()].toSorted());
      for (const each of model.values()) expect(tree.get(each.key)).toBe(each);
      const rebuilt = Tree.empty<Item>().with(chance.shuffled([...model.values()]), []);
      expect(hex(rebuilt.hash)).toBe(hex(tree.hash));
      const differs = (a?: Item, b?: Item) => !a || !b || hex(a.digest) !== hex(b.digest);
      const want = new Set([...was.keys(), ...model.keys()].filter((key) => differs(was.get(key), model.get(key))));
      const got: Difference<Item>[] = before.compare(tree);
      expect(new Set(got.map(text))).toEqual(want);
      expect(got.toSorted((a, b) => compareKeys(a.key, b.key))).toEqual(got);
      for (const { key, before: old, after } of got) {
        expect([old, after]).toEqual([was.get(text({ key })), model.get(text({ key }))]);
      }
    }
  });
});
