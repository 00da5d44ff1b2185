import { describe, expect, it } from "vitest";

import { Truth } from "../../src/engine/index.js";
import { FieldType, Operator } from "../../src/gen/strata/config/v1/config_pb.js";
import { Chance, compile, type RuleInit, ruled, where } from "./configs.js";

const { AND, OR, NOT, EQ, NEQ, GT, GTE, LT, LTE, IN, NOT_IN, LIKE, NOT_LIKE } = Operator;

const fields = [
  { name: "text", type: FieldType.STRING },
  { name: "float", type: FieldType.FLOAT },
  { name: "app", type: FieldType.SEMVER },
];

function truthOf(rule: RuleInit, context: object): Truth | undefined {
  const rules = compile(ruled(rule, fields));
  const whole = { user_id: "u", ...context };
  const truth = rules.explain("s", whole).layers[0]?.rule?.truth;
  expect(rules.evaluate("s", whole).vids.length === 1).toBe(truth === Truth.TRUE);
  return truth;
}

const leaf = (chance: Chance): RuleInit =>
  chance.pick(
    where("text", chance.pick(EQ, NEQ, GT, LTE, LIKE, NOT_LIKE), chance.pick("a", "b", "*a")),
    where("age", chance.pick(EQ, NEQ, GT, GTE, LT, LTE), chance.below(3)),
    where("age", chance.pick(IN, NOT_IN), 0, 2),
    where("float", chance.pick(EQ, GTE, LT), 0.5),
    where("on", chance.pick(EQ, NEQ), true),
    where("app", chance.pick(EQ, GT, LTE), "1.2.3"),
  );
const contextOf = (chance: Chance) => ({
  text: chance.pick<unknown>("a", "b", "ba", 1, null, undefined),
  age: chance.pick<unknown>(0, 1, 2, 0.5, "1", null),
  float: chance.pick<unknown>(0.5, 1, Number.NaN, "x"),
  on: chance.pick<unknown>(true, false, 1),
  app: chance.pick<unknown>("v1.2.3", "1.2.3-rc.1", "2", "no", 1),
});

describe("three-valued logic", () => {
  const tree = (chance: Chance, depth: number): RuleInit => {
    if (depth === 0 || chance.below(4) === 0) return leaf(chance);
    const op = chance.pick(AND, OR, NOT);
    return {
      op,
      children: Array.from({ length: op === NOT ? 1 : 1 + chance.below(4) }, () => tree(chance, depth - 1)),
    };
  };
  /** What a tree comes to, given what its conditions come to alone. */
  const kleene = ({ op, children = [], ...rest }: RuleInit, context: object): Truth => {
    const below = children.map((child) => kleene(child, context));
    const lowest = Math.min(...below) as Truth;
    const highest = Math.max(...below) as Truth;
    switch (op) {
      case AND:
        return lowest;
      case OR:
        return highest;
      case NOT:
        return (4 - lowest) as Truth;
      default:
        return truthOf({ op: op ?? EQ, ...rest }, context) ?? Truth.UNKNOWN;
    }
  };
  const permuted = (chance: Chance, { children = [], ...rest }: RuleInit): RuleInit => ({
    ...rest,
    children: chance.shuffled(children.map((child) => permuted(chance, child))),
  });

  it("is Kleene's, whatever the order of children", () => {
    const chance = new Chance(2);
    for (let i = 0; i < 400; i++) {
      const rule = tree(chance, 4);
      const context = contextOf(chance);
      const truth = truthOf(rule, context);
      expect(truth).toBe(kleene(rule, context));
      expect(truthOf(permuted(chance, rule), context)).toBe(truth);
      expect(truthOf({ op: NOT, children: [rule] }, context)).toBe(truth && 4 - truth);
    }
  });
});

/** Returns a regular expression of a pattern. */
const expression = (pattern: string) =>
  pattern.replaceAll(/\\([*\\])|(\*)|([^*])/g, (_, escaped?: string, star?: string, other?: string) =>
    star ? "[^]*" : `\\u{${(escaped ?? other ?? "").codePointAt(0)?.toString(16)}}`,
  );

describe("conditions", () => {
  it("order strings by code point", () => {
    // In UTF-16 the first of each pair is the larger one.
    for (const [lower, higher] of [
      ["\uffee", "\u{1f600}"],
      ["a\ue000", "a\u{10000}z"],
      ["a", "ab"],
    ] as const) {
      expect(truthOf(where("text", LT, higher), { text: lower })).toBe(Truth.TRUE);
      expect(truthOf(where("text", GT, lower), { text: higher })).toBe(Truth.TRUE);
      expect(truthOf(where("text", GTE, higher), { text: lower })).toBe(Truth.FALSE);
    }
  });

  it("see half a surrogate pair as U+FFFD", () => {
    expect(truthOf(where("text", EQ, "\ufffd"), { text: "\ud800" })).toBe(Truth.TRUE);
  });

  it("take -0 for 0", () => {
    expect(truthOf(where("age", EQ, 0), { age: -0 })).toBe(Truth.TRUE);
    expect(truthOf(where("age", IN, 0, 1), { age: -0 })).toBe(Truth.TRUE);
    expect(truthOf(where("age", LT, 0), { age: -0 })).toBe(Truth.FALSE);
  });

  it("compare numbers whose difference is no number that there is", () => {
    expect(truthOf(where("float", GT, -Number.MAX_VALUE), { float: Number.MAX_VALUE })).toBe(Truth.TRUE);
    expect(truthOf(where("float", NEQ, Number.MIN_VALUE), { float: 2 * Number.MIN_VALUE })).toBe(Truth.TRUE);
  });

  it("order versions by SemVer", () => {
    const ascending = [
      "0.9",
      "1.0.0-1",
      "1.0.0-2",
      "1.0.0-11",
      "1.0.0-a",
      "1.0.0-a.1",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
    ];
    ascending.push("v1", "1.0.1", "1.2-rc", "1.2", "99999999999999999999.0.0");
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) {
        expect(truthOf(where("app", LT, b), { app: a })).toBe(i < j ? Truth.TRUE : Truth.FALSE);
        expect(truthOf(where("app", IN, b, "5.0.0"), { app: `${a}+build` })).toBe(i === j ? Truth.TRUE : Truth.FALSE);
      }
    }
  });

  it("know what is no version", () => {
    const none = [
      "",
      "v",
      "1.",
      "1.2.3.4",
      "01.2.3",
      "1.2.3-",
      "1.2.3-01",
      "1.2.3-a..b",
      "1.2.3+",
      "1.2.3+a+b",
      " 1",
      "1.2.3-é",
    ];
    const known = none.filter((app) => truthOf(where("app", NEQ, "1.0.0"), { app }) !== Truth.UNKNOWN);
    expect(known).toEqual([]);
  });

  it("match patterns as a search for each way would", () => {
    const chance = new Chance(3);
    const word = (length: number) => Array.from({ length }, () => chance.pick("a", "b", "*", "\\", "\n")).join("");
    for (let i = 0; i < 500; i++) {
      const pattern = word(1 + chance.below(6));
      const text = word(chance.below(8));
      const want = new RegExp(`^${expression(pattern)}$`, "u").test(text);
      const got = truthOf(where("text", LIKE, pattern), { text }) === Truth.TRUE;
      expect({ pattern, text, got }).toEqual({ pattern, text, got: want });
    }
  });

  it("match what would take others for ever", () => {
    const text = "a".repeat(200_000);
    expect(truthOf(where("text", LIKE, "a*".repeat(1000) + "b"), { text })).toBe(Truth.FALSE);
    expect(truthOf(where("text", LIKE, "*a*".repeat(1000)), { text })).toBe(Truth.TRUE);
  });
});

it("takes rules of 80 levels and of 10,000 nodes", () => {
  let deep = where("age", EQ, 1);
  for (let i = 1; i < 80; i++) deep = { op: i % 2 === 0 ? NOT : AND, children: [deep] };
  const wide: RuleInit = { op: OR, children: Array.from({ length: 9_999 }, (_, i) => where("age", EQ, i)) };
  expect(truthOf(deep, { age: 1 })).toBe(Truth.FALSE);
  expect(truthOf(deep, {})).toBe(Truth.UNKNOWN);
  expect(compile(ruled(wide)).evaluate("s", { user_id: "u", age: 9_998 }).vids).toEqual([1]);
  expect(compile(ruled(wide)).evaluate("s", { user_id: "u", age: 9_999 }).vids).toEqual([]);
});

/** Returns a rule on as many fields as there can be, each of which is equal to its number. */
function either(prefix: string): RuleInit {
  return { op: OR, children: Array.from({ length: 9_999 }, (_, i) => where(`${prefix}${i}`, EQ, i)) };
}

it("takes more names than it remembers", () => {
  let rules = compile(ruled(either("a")));
  const before = rules;
  for (const prefix of ["b", "c", "d"]) {
    rules = compile(ruled(either(prefix)), rules);
    const [first, last] = [{ [`${prefix}0`]: 0 }, { [`${prefix}9998`]: 9_998 }];
    expect(rules.evaluate("s", { user_id: "u", ...first }).vids).toEqual([1]);
    expect(rules.evaluate("s", { user_id: "u", ...last }).vids).toEqual([1]);
    expect(rules.evaluate("s", { user_id: "u", a0: 0 }).vids).toEqual([]);
  }
  expect(before.evaluate("s", { user_id: "u", a9998: 9_998 }).vids).toEqual([1]);
});
