import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { Faults } from "../../src/engine/index.js";
import { FieldType, Operator, SnapshotSchema } from "../../src/gen/strata/config/v1/config_pb.js";
import { compile, faultsOf, type RuleInit, type SnapshotInit, where } from "./configs.js";

const { AND, OR, NOT, EQ, GT, GTE, IN, LIKE, UNSPECIFIED } = Operator;

/** Two layers and two experiments. What is refused is this with one thing changed. */
function valid() {
  return {
    revision: 1n,
    layers: [
      {
        layerId: "ranking",
        hashKey: "user_id",
        salt: "ranking_v1",
        enabled: true,
        service: "",
        ranges: [
          { start: 0, end: 100, vid: 11 },
          { start: 100, end: 200, vid: 12 },
        ],
      },
      {
        layerId: "search",
        hashKey: "user_id",
        salt: "search_v1",
        enabled: true,
        service: "",
        ranges: [{ start: 0, end: 10_000, vid: 21 }],
      },
    ] as const satisfies SnapshotInit["layers"],
    experiments: [
      {
        eid: 1,
        service: "ranker",
        variants: [
          { vid: 11, paramsJson: "{}" },
          { vid: 12, paramsJson: `{"a":1}` },
        ],
      },
      { eid: 2, service: "searcher", rule: where("age", GTE, 18), variants: [{ vid: 21, paramsJson: "{}" }] },
    ] as const satisfies SnapshotInit["experiments"],
    fields: [
      { name: "country", type: FieldType.STRING },
      { name: "age", type: FieldType.INT },
      { name: "premium", type: FieldType.BOOL },
      { name: "app", type: FieldType.SEMVER },
    ] as const satisfies SnapshotInit["fields"],
  };
}

const { layers, experiments, fields } = valid();
const [ranking, search] = layers;
const [first, second] = experiments;

function rule(of: RuleInit): Partial<SnapshotInit> {
  return { experiments: [first, { ...second, rule: of }] };
}

function params(text: string): Partial<SnapshotInit> {
  return { experiments: [{ ...first, variants: [first.variants[0], { vid: 12, paramsJson: text }] }, second] };
}

function ranges(...of: { start: number; end: number; vid: number }[]): Partial<SnapshotInit> {
  return { layers: [{ ...ranking, ranges: of }, search] };
}

function nested(depth: number): RuleInit {
  let deep = where("age", EQ, 1);
  for (let i = 1; i < depth; i++) deep = { op: NOT, children: [deep] };
  return deep;
}

const wide: RuleInit = { op: OR, children: Array.from({ length: 10_000 }, () => where("age", EQ, 1)) };
const at12 = "experiment 1: variants[1].params";
const unsafe = "is an integer beyond 2^53 - 1, which readers round differently: write it as a string";

const refused: [string, Partial<SnapshotInit>, string[]][] = [
  [
    "an overlap",
    ranges({ start: 0, end: 100, vid: 11 }, { start: 50, end: 200, vid: 12 }),
    ["layer ranking: ranges[1]: slots [50, 200) overlap ranges[0], which has [0, 100)"],
  ],
  [
    "an overlap with one that is not the neighbour",
    ranges(
      { start: 100, end: 200, vid: 11 },
      { start: 0, end: 100, vid: 11 },
      { start: 10, end: 20, vid: 12 },
      { start: 30, end: 40, vid: 12 },
    ),
    [
      "layer ranking: ranges[2]: slots [10, 20) overlap ranges[1], which has [0, 100)",
      "layer ranking: ranges[3]: slots [30, 40) overlap ranges[1], which has [0, 100)",
    ],
  ],
  [
    "slots that there are not",
    ranges({ start: -1, end: 100, vid: 11 }, { start: 100, end: 10_001, vid: 12 }),
    [
      "layer ranking: ranges[0].start: is -1, want 0 to 9999",
      "layer ranking: ranges[1].end: is 10001, want 101 to 10000: start is included, end is not",
    ],
  ],
  [
    "an empty range",
    ranges({ start: 0, end: 0, vid: 11 }),
    ["layer ranking: ranges[0].end: is 0, want 1 to 10000: start is included, end is not"],
  ],
  [
    "unknown variants",
    ranges({ start: 0, end: 1, vid: 99 }, { start: 1, end: 2, vid: 0 }),
    [
      "layer ranking: ranges[1].vid: is 0, want at least 1",
      "layer ranking: ranges[0].vid: 99 is no variant of any experiment",
    ],
  ],
  [
    "too many ranges",
    ranges(...Array.from({ length: 10_001 }, () => ({ start: 0, end: 1, vid: 11 }))),
    ["layer ranking: ranges: are 10001, at most 10000 are allowed"],
  ],
  [
    "a repeated vid",
    { experiments: [first, { ...second, variants: [{ vid: 11, paramsJson: "{}" }] }] },
    [
      "experiment 2: variants[0].vid: 11 is taken by experiment 1",
      "layer search: ranges[0].vid: 21 is no variant of any experiment",
    ],
  ],
  [
    "a vid that stands twice in one experiment",
    { experiments: [first, { ...second, variants: [...second.variants, ...second.variants] }] },
    ["experiment 2: variants[1].vid: 21 is taken by experiment 2"],
  ],
  ["a repeated layer", { layers: [...layers, ranking] }, ["layer ranking: stands twice: the id must be unique"]],
  [
    "a repeated experiment",
    { experiments: [...experiments, second] },
    ["experiment 2: stands twice: the id must be unique"],
  ],
  ["a repeated field", { fields: [...fields, fields[0]] }, ["field country: stands twice: the id must be unique"]],
  [
    "an experiment in two layers",
    {
      layers: [
        { ...ranking, ranges: [ranking.ranges[0]] },
        { ...search, ranges: [{ start: 0, end: 1, vid: 12 }] },
      ],
    },
    ["layer search: ranges[0].vid: 12 belongs to experiment 1, which lives in layer ranking already"],
  ],
  [
    "a layer of another service",
    { layers: [{ ...ranking, service: "searcher", ranges: [ranking.ranges[0]] }, search] },
    ["layer ranking: ranges[0].vid: 11 belongs to service ranker, and the layer to service searcher"],
  ],
  [
    "missing names",
    {
      layers: [
        { ...ranking, hashKey: "" },
        { ...search, salt: "" },
      ],
      experiments: [{ ...first, service: "" }, second],
    },
    ["experiment 1: service: is missing", "layer ranking: hash_key: is missing", "layer search: salt: is missing"],
  ],
  [
    "names that are too long, or no text",
    {
      layers: [
        { ...ranking, salt: "é".repeat(128) + "s" },
        { ...search, salt: "\ud800" },
      ],
    },
    ["layer ranking: salt: is 257 bytes long, at most 256 are allowed", "layer search: salt: is not valid UTF-8"],
  ],
  [
    "no ids",
    {
      layers: [{ ...ranking, layerId: "" }, search],
      experiments: [first, { eid: 0, service: "searcher", variants: second.variants }],
      fields: [{ name: "", type: FieldType.STRING }, ...fields.slice(1)],
    },
    [
      "field at index 0: name: is missing",
      "experiment at index 1: eid: is 0, want at least 1",
      "layer at index 0: layer_id: is missing",
    ],
  ],
  [
    "no variants",
    { layers: [{ ...ranking, ranges: [] }, search], experiments: [{ ...first, variants: [] }, second] },
    ["experiment 1: variants: are missing: want at least one"],
  ],
  [
    "an unknown type",
    { fields: [{ name: "country", type: 9 as FieldType }, ...fields.slice(1)] },
    ["field country: type: is unknown, want string, int, float, bool or semver"],
  ],
  ["params that are a list", params("[1]"), [`${at12}: want an object, got a list`]],
  [
    "params that are nothing",
    params(""),
    [`${at12}: not valid JSON at byte 0: the text ends too early: want an object`],
  ],
  ["params with a tail", params("{} x"), [`${at12}: not valid JSON at byte 3: text after the end of the value`]],
  ["params with two faults of JSON", params(`{"é":1,}{`), [`${at12}: not valid JSON at byte 8: a comma before }`]],
  [
    "params with unsafe integers",
    params(`{"a":[{"b":9007199254740992}],"c":-9007199254740993,"d":1e300}`),
    [`${at12}.a[0].b: 9007199254740992 ${unsafe}`, `${at12}.c: -9007199254740993 ${unsafe}`],
  ],
  ["params with an infinite number", params(`{"a":1e400}`), [`${at12}.a: 1e400 is larger than a double can be`]],
  ["params with a repeated key", params(String.raw`{"a":{"b":1,"\u0062":2}}`), [`${at12}.a.b: stands twice`]],
  [
    "params with half a character",
    params(String.raw`{"a":"\ud800"}`),
    [`${at12}: not valid JSON at byte 6: half of a surrogate pair`],
  ],
  [
    "params with a long key",
    params(`{"a":{"${"k".repeat(257)}":1}}`),
    [`${at12}.a.${"k".repeat(40)}...: has a key of 257 bytes, at most 256 are allowed`],
  ],
  [
    "params that are too deep",
    params(`{"a":`.repeat(65) + "1" + "}".repeat(65)),
    [`${at12}${".a".repeat(64)}: is nested deeper than 64 levels`],
  ],
  [
    "params that are far too deep",
    params(`{"a":${"[".repeat(100_000)}`),
    [`${at12}: not valid JSON at byte 204: nested deeper than 200 levels`],
  ],
  [
    "params that are too long",
    params(`{"a":"${"é".repeat(1 << 19)}"}`),
    [`${at12}: is 1048584 bytes long, at most 1048576 are allowed`],
  ],
  [
    "a rule that is too deep",
    rule(nested(81)),
    [`experiment 2: rule${".child".repeat(80)}: is nested deeper than 80 levels`],
  ],
  ["a rule of too many nodes", rule(wide), ["experiment 2: rule: has more than 10000 nodes"]],
  ["an unknown operator", rule({ op: UNSPECIFIED }), ["experiment 2: rule: has an unknown operator"]],
  ["an and of nothing", rule({ op: AND }), ["experiment 2: rule: is and and has no children, want at least one"]],
  [
    "a not of two children",
    rule({ op: NOT, children: [nested(1), nested(1)] }),
    ["experiment 2: rule: is not and has 2 children, want exactly one"],
  ],
  [
    "a condition with a child",
    rule({ ...where("age", EQ, 1), children: [nested(1)] }),
    ["experiment 2: rule: is a condition and can have no children"],
  ],
  [
    "an and with a field",
    rule({ op: AND, field: "age", children: [nested(1)] }),
    ["experiment 2: rule: is and and can have no field and no values"],
  ],
  ["no field", rule(where("", EQ, 1)), ["experiment 2: rule.field: is missing"]],
  ["no values", rule(where("age", EQ)), ["experiment 2: rule.values: are missing"]],
  ["two values", rule(where("age", GT, 1, 2)), ["experiment 2: rule.values: are 2, gt takes exactly one"]],
  [
    "values of several types",
    rule({ op: OR, children: [where("other", IN, 1, "a"), where("other", IN, "a", true)] }),
    [
      "experiment 2: rule.children[0].values: are of different types, and the field is not declared",
      "experiment 2: rule.children[1].values: are of different types, and the field is not declared",
    ],
  ],
  [
    "values of another type",
    rule(where("age", IN, 1.5, 2, "a")),
    ["experiment 2: rule.values[0]: is 1.5, which is no int", `experiment 2: rule.values[2]: is "a", which is no int`],
  ],
  [
    "a long value that is of another type",
    rule(where("age", EQ, "é".repeat(100))),
    [`experiment 2: rule.values[0]: is "${"é".repeat(19)}..., which is no int`],
  ],
  [
    "a value that is too long",
    rule(where("country", EQ, "x".repeat(4097))),
    ["experiment 2: rule.values[0]: is 4097 bytes long, at most 4096 are allowed"],
  ],
  [
    "a value that is no version",
    rule(where("app", GTE, "1.x")),
    [`experiment 2: rule.values[0]: is "1.x", which is no semver`],
  ],
  [
    "a value that is no number",
    rule(where("other", EQ, Number.NaN)),
    ["experiment 2: rule.values[0]: is null, which is no float"],
  ],
  [
    "an order of bools",
    rule(where("premium", GT, true)),
    ["experiment 2: rule.op: is gt, which a bool field can not be compared by"],
  ],
  [
    "a pattern of versions",
    rule(where("app", LIKE, "1.*")),
    ["experiment 2: rule.op: is like, which a semver field can not be compared by"],
  ],
];

describe("refuses", () => {
  it.each(refused)("%s", (_, change, want) => {
    const snapshot = create(SnapshotSchema, { ...valid(), ...change });
    expect(faultsOf(() => compile(snapshot))).toEqual(want);
    // A change to a running configuration is checked in the same way.
    const running = compile(create(SnapshotSchema, valid()));
    expect(faultsOf(() => compile(snapshot, running)).toSorted()).toEqual(want.toSorted());
    expect(running.evaluate("searcher", { user_id: "u", age: 20 }).vids).toEqual([21]);
  });

  it("says where in the snapshot a resource stands that was not changed", () => {
    const running = compile(create(SnapshotSchema, valid()));
    const snapshot = create(SnapshotSchema, { ...valid(), fields: [{ name: "age", type: FieldType.STRING }] });
    let faults: Faults["faults"] = [];
    try {
      compile(snapshot, running);
    } catch (error) {
      if (error instanceof Faults) ({ faults } = error);
    }
    expect(faults).toEqual([
      {
        reason: "invalid-rule",
        kind: "experiment",
        id: "2",
        index: 1,
        path: "rule.values[0]",
        problem: "is 18, which is no string",
      },
    ]);
  });

  it("lists a thousand faults, and says that there are more", () => {
    const many = Array.from({ length: 5_000 }, (_, i) => ({
      ...search,
      layerId: String(i),
      ranges: [{ start: 0, end: 1, vid: 999 }],
    }));
    const faults = faultsOf(() => compile(create(SnapshotSchema, { layers: many })));
    expect(faults).toHaveLength(1001);
    expect(faults.at(-1)).toContain("only the first 1000 are");
  });

  it("ids that stand twice in a change", () => {
    const {
      layers: [layer],
      experiments: [one, two],
      fields: [field],
    } = create(SnapshotSchema, valid());
    if (!layer || !one || !two || !field) throw new Error("incomplete");
    const running = compile(create(SnapshotSchema, valid()));
    const change = { revision: 2n, layers: [layer, layer], experiments: [two, one, two], fields: [field, field] };
    expect(faultsOf(() => running.apply(change)).slice(0, 3)).toEqual([
      "layer ranking: stands twice: the id must be unique",
      "experiment 2: stands twice: the id must be unique",
      "field country: stands twice: the id must be unique",
    ]);
  });
});
