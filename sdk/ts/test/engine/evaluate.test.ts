import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { Outcome, slot } from "../../src/engine/index.js";
import { Operator, SnapshotSchema } from "../../src/gen/strata/config/v1/config_pb.js";
import { Chance, compile, layered, ruled, where } from "./configs.js";

const context = { user_id: "u" };

describe("evaluate", () => {
  it("takes layers by priority, and those of one priority by code point", () => {
    const ids = ["b", "\u{1f600}", "\uffee", "a", "Z"];
    const snapshot = create(SnapshotSchema, {
      layers: ids.map((layerId, i) => ({
        layerId,
        priority: layerId === "b" ? 1 : 0,
        hashKey: "user_id",
        salt: "s",
        enabled: true,
        ranges: [{ start: 0, end: 10_000, vid: i + 1 }],
      })),
      experiments: ids.map((_, i) => ({ eid: i + 1, service: "s", variants: [{ vid: i + 1, paramsJson: "{}" }] })),
    });
    expect(compile(snapshot).evaluate("s", context).matchedLayers).toEqual(["b", "Z", "a", "\uffee", "\u{1f600}"]);
  });

  it("does not depend on the order of a configuration", () => {
    const chance = new Chance(5);
    const snapshot = layered(...Array.from({ length: 6 }, (_, i) => `{"k${i % 3}":{"v":${i},"w${i}":1}}`));
    const want = compile(snapshot).evaluate("s", context);
    for (let i = 0; i < 20; i++) {
      const { layers, experiments, ...rest } = snapshot;
      const shuffled = { ...rest, layers: chance.shuffled(layers), experiments: chance.shuffled(experiments) };
      const got = compile(shuffled).evaluate("s", context);
      expect([got.parameters, got.vids, got.matchedLayers]).toEqual([want.parameters, want.vids, want.matchedLayers]);
    }
  });

  it("takes only the layers that are named, however many names", () => {
    const rules = compile(layered(`{"a":1}`, `{"b":1}`, `{"c":1}`));
    expect(rules.evaluate("s", context, ["l2", "none", "l0"]).parameters).toBe(`{"a":1,"c":1}`);
    expect(rules.evaluate("s", context, ["none"]).vids).toEqual([]);
    const many = Array.from({ length: 100 }, (_, i) => `x${i}`);
    expect(rules.evaluate("s", context, [...many, "l1"]).parameters).toBe(`{"b":1}`);
  });

  it("finds each slot of a layer of many ranges", () => {
    const chance = new Chance(6);
    const owner = new Map<number, number>();
    const ranges = [];
    for (let start = chance.below(50), vid = 1; start < 9_900; vid++) {
      const end = start + 1 + chance.below(40);
      ranges.push({ start, end, vid });
      for (let i = start; i < end; i++) owner.set(i, vid);
      start = end + chance.below(3);
    }
    const variants = ranges.map(({ vid }) => ({ vid, paramsJson: "{}" }));
    const layer = { layerId: "l", hashKey: "user_id", salt: "salt", enabled: true, ranges: chance.shuffled(ranges) };
    const rules = compile(
      create(SnapshotSchema, { layers: [layer], experiments: [{ eid: 1, service: "s", variants }] }),
    );
    for (let i = 0; i < 20_000; i++) {
      const at = slot("salt", String(i));
      expect(rules.evaluate("s", { user_id: i }).vids).toEqual([owner.get(at)].filter((vid) => vid !== undefined));
    }
  });

  it("answers nothing for what it does not know", () => {
    const rules = compile(layered("{}"));
    for (const result of [
      rules.evaluate("other", context),
      rules.evaluate("s", {}),
      rules.evaluate("__proto__", context),
    ]) {
      expect(result).toMatchObject({ parameters: "{}", vids: [], matchedLayers: [], matches: [] });
      expect(result.read("")).toMatchObject({ text: "{}", value: {}, winner: -1, exposed: [], hidden: [] });
      expect(result.read("a")).toMatchObject({ text: "", value: undefined, winner: -1, exposed: [], hidden: [] });
      expect(result.leaves()).toEqual([]);
    }
  });
});

describe("explain", () => {
  const snapshot = create(SnapshotSchema, {
    layers: [
      { layerId: "off", priority: 9, hashKey: "user_id", salt: "s", service: "s" },
      { layerId: "other", priority: 8, hashKey: "user_id", salt: "s", service: "s", enabled: true },
      { layerId: "no_key", priority: 7, hashKey: "account", salt: "s", service: "s", enabled: true },
      { layerId: "free", priority: 6, hashKey: "user_id", salt: "s", service: "s", enabled: true },
      {
        layerId: "shared",
        priority: 5,
        hashKey: "user_id",
        salt: "s",
        enabled: true,
        ranges: [
          { start: 0, end: slot("s", "u"), vid: 1 },
          { start: slot("s", "u"), end: 10_000, vid: 2 },
        ],
      },
      {
        layerId: "ruled",
        priority: 4,
        hashKey: "user_id",
        salt: "s",
        enabled: true,
        ranges: [{ start: 0, end: 10_000, vid: 3 }],
      },
      {
        layerId: "plain",
        priority: 3,
        hashKey: "user_id",
        salt: "s",
        enabled: true,
        ranges: [{ start: 0, end: 10_000, vid: 4 }],
      },
      {
        layerId: "below",
        priority: 2,
        hashKey: "user_id",
        salt: "s",
        enabled: true,
        ranges: [{ start: 0, end: 10_000, vid: 5 }],
      },
    ],
    experiments: [
      { eid: 1, service: "s", variants: [{ vid: 1, paramsJson: "{}" }] },
      { eid: 2, service: "t", variants: [{ vid: 2, paramsJson: "{}" }] },
      { eid: 3, service: "s", rule: where("age", Operator.GTE, 18), variants: [{ vid: 3, paramsJson: `{"c":1}` }] },
      { eid: 4, service: "s", variants: [{ vid: 4, paramsJson: `{"a":{"b":1,"e":{}},"x/y~z":1}` }] },
      { eid: 5, service: "s", variants: [{ vid: 5, paramsJson: `{"a":{"b":{"q":1},"d":2}}` }] },
    ],
  });
  const named = snapshot.layers.map(({ layerId }) => layerId).filter((id) => id !== "other");

  it("says what came of each layer", () => {
    const explained = compile(snapshot).explain("s", { user_id: "u", age: 17 }, named);
    const at = slot("s", "u");
    expect(explained.layers.map(({ layerId, outcome, detail }) => [layerId, outcome, detail])).toEqual([
      ["off", Outcome.DISABLED, "the layer is disabled"],
      ["other", Outcome.NOT_REQUESTED, "the request names other layers"],
      ["no_key", Outcome.NO_KEY, "the context has no account"],
      ["free", Outcome.FREE_SLOT, `slot ${at} is in no range`],
      ["shared", Outcome.OTHER_SERVICE, `slot ${at} belongs to service t`],
      ["ruled", Outcome.RULE_FALSE, "the rule of experiment 3 is FALSE"],
      ["plain", Outcome.MATCHED, `slot ${at} is in [0, 10000)`],
      ["below", Outcome.MATCHED, `slot ${at} is in [0, 10000)`],
    ]);
    expect(explained.layers[5]).toMatchObject({
      key: "u",
      slot: at,
      eid: 3,
      vid: 3,
      rule: { op: "gte", truth: 1, field: "age", type: "int", values: [18], seen: 17 },
    });
    const unknown = compile(snapshot).explain("s", context).layers[5];
    expect(unknown).toMatchObject({ outcome: Outcome.RULE_UNKNOWN, rule: { truth: 2, seen: undefined } });
  });

  it("says where each parameter came from", () => {
    const { parameters, result } = compile(snapshot).explain("s", context, ["plain", "below"]);
    expect(result.parameters).toBe(`{"a":{"b":1,"e":{},"d":2},"x/y~z":1}`);
    const plain = { layerId: "plain", eid: 4, vid: 4 };
    const below = { layerId: "below", eid: 5, vid: 5 };
    expect(parameters).toEqual([
      { path: "/a/b", winner: { ...plain, value: "1" }, hidden: [{ ...below, value: `{"q":1}` }] },
      { path: "/a/d", winner: { ...below, value: "2" }, hidden: [] },
      { path: "/a/e", winner: { ...plain, value: "{}" }, hidden: [] },
      { path: "/x~1y~0z", winner: { ...plain, value: "1" }, hidden: [] },
    ]);
  });

  it.each([
    [null, "null: only strings and whole numbers can be hashed"],
    ["", `"": the empty string is not hashed`],
    [1.5, "1.5: numbers with a fraction are not hashed"],
    [
      2 ** 53,
      "9.007199254740992e+15: whole numbers beyond 2^53 - 1 are not hashed, since readers round them differently: send the id as a string",
    ],
    [[1], "a value of another type: only strings and whole numbers can be hashed"],
    [12n, "a value of another type: only strings and whole numbers can be hashed"],
  ])("says why %s is no key", (key, want) => {
    expect(compile(ruled(undefined)).explain("s", { user_id: key }).layers[0]?.detail).toBe(`user_id is ${want}`);
  });

  it("bounds the paths", () => {
    const keys = (depth: number): string =>
      depth === 0
        ? `{${Array.from({ length: 3_500 }, (_, i) => `"${i}":1`).join(",")}}`
        : `{"${"k".repeat(250)}${depth}":${keys(depth - 1)}}`;
    const explained = compile(layered(keys(60))).explain("s", context);
    expect(explained.truncated).toBe(true);
    expect(explained.parameters.length).toBeGreaterThan(1_000);
    expect(explained.parameters.length).toBeLessThan(3_500);
  });
});
