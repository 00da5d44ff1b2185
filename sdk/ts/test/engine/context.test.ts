import { describe, expect, it } from "vitest";

import { type Context, Outcome, type Ruleset, Truth } from "../../src/engine/index.js";
import { FieldType, Operator } from "../../src/gen/strata/config/v1/config_pb.js";
import { compile, ruled, where } from "./configs.js";

const { AND, NOT, EQ, NEQ, GT, NOT_IN, NOT_LIKE } = Operator;

/** Every type of condition, of a kind that holds for what is of its type. */
const asking = compile(
  ruled(
    {
      op: AND,
      children: [
        where("text", NOT_LIKE, "x*"),
        where("text", GT, "\t"),
        where("int", NOT_IN, 7, 8),
        where("float", NEQ, 0.5),
        { op: NOT, children: [where("on", EQ, false)] },
        where("app", NEQ, "0.0.1"),
      ],
    },
    [
      { name: "text", type: FieldType.STRING },
      { name: "int", type: FieldType.INT },
      { name: "float", type: FieldType.FLOAT },
      { name: "app", type: FieldType.SEMVER },
    ],
  ),
);

const right = { user_id: "u", text: "t", int: 1, float: 1, on: true, app: "1.0.0" };

class Shop {
  [attribute: string]: unknown;
  user_id = "u";
  get text() {
    return "inherited";
  }
}

function throwing(): never {
  throw new Error("mine");
}

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;

const values: [string, unknown][] = [
  ["NaN", Number.NaN],
  ["an infinity", -Infinity],
  ["a BigInt", 12n],
  ["a symbol", Symbol("x")],
  ["a function", () => "u"],
  ["a date", new Date(0)],
  ["an invalid date", new Date(Number.NaN)],
  ["a map", new Map([["a", 1]])],
  ["a string object", Object("u")],
  ["a number object", Object(1)],
  ["a list", ["u"]],
  ["a cycle", cycle],
  ["null", null],
  ["undefined", undefined],
  ["a proxy that throws", new Proxy({}, { get: throwing, has: throwing, getOwnPropertyDescriptor: throwing })],
  [
    "what throws when it becomes text",
    { toString: throwing, valueOf: throwing, [Symbol.toPrimitive]: throwing, toJSON: throwing },
  ],
];

/** Evaluates and explains; what a rule comes to, undefined if it was not asked. */
function truthIn(rules: Ruleset, context: Context): Truth | undefined {
  const result = rules.evaluate("s", context);
  const explained = rules.explain("s", context);
  expect(explained.result.vids).toEqual(result.vids);
  expect(result.vids).toEqual(explained.layers[0]?.outcome === Outcome.MATCHED ? [1] : []);
  return explained.layers[0]?.rule?.truth;
}

describe("a context", () => {
  it("may be right", () => {
    expect(truthIn(asking, right)).toBe(Truth.TRUE);
  });

  it.each(values)("may hold %s, which is of another type", (_, value) => {
    const fields = ["text", "int", "float", "on", "app"];
    const truths = fields.map((name) => truthIn(asking, { ...right, [name]: value }));
    expect(truths).toEqual(fields.map(() => Truth.UNKNOWN));
    const { layers } = asking.explain("s", { ...right, user_id: value });
    expect(layers[0]).toMatchObject({ outcome: Outcome.NO_KEY, slot: -1, key: "" });
    expect(asking.evaluate("s", { ...right, user_id: value }).vids).toEqual([]);
  });

  it("may have getters, also such as throw", () => {
    const getters = Object.defineProperties(
      { ...right },
      { text: { get: () => "got", enumerable: true }, app: { get: throwing, enumerable: true } },
    );
    expect(truthIn(asking, getters)).toBe(Truth.UNKNOWN);
    expect(truthIn(asking, Object.defineProperty({ ...right }, "text", { get: () => "got" }))).toBe(Truth.TRUE);
    expect(truthIn(asking, Object.defineProperty({ ...right }, "user_id", { get: throwing }))).toBeUndefined();
  });

  it("may be a proxy, also one that throws or was revoked", () => {
    expect(truthIn(asking, new Proxy(right, {}))).toBe(Truth.TRUE);
    expect(truthIn(asking, new Proxy(right, { get: throwing }))).toBeUndefined();
    expect(truthIn(asking, new Proxy(right, { getOwnPropertyDescriptor: throwing }))).toBeUndefined();
    const { proxy, revoke } = Proxy.revocable(right, {});
    revoke();
    expect(truthIn(asking, proxy)).toBeUndefined();
  });

  it("counts with what it has itself", () => {
    expect(truthIn(asking, Object.assign(new Shop(), { int: 1, float: 1, on: true, app: "1.0.0" }))).toBe(
      Truth.UNKNOWN,
    );
    expect(truthIn(asking, Object.create(right) as Context)).toBeUndefined();
    expect(truthIn(asking, Object.assign(Object.create(null), right) as Context)).toBe(Truth.TRUE);
    const proto = compile(ruled(where("__proto__", EQ, "x")));
    expect(truthIn(proto, JSON.parse(`{"user_id":"u","__proto__":"x"}`) as Context)).toBe(Truth.TRUE);
    expect(truthIn(compile(ruled(where("constructor", NEQ, "x"))), { user_id: "u" })).toBe(Truth.UNKNOWN);
  });

  it("may be none at all", () => {
    for (const none of [null, undefined, 1, "text", true, [], new Map(Object.entries(right))]) {
      expect(asking.evaluate("s", none as unknown as Context).vids).toEqual([]);
      expect(asking.explain("s", none as unknown as Context).layers[0]?.outcome).toBe(Outcome.NO_KEY);
    }
  });

  it("may hold texts as long as they get", () => {
    for (const long of [
      "x".repeat(1 << 22),
      "1.0.0-" + "a.".repeat(1 << 20) + "a",
      "é\ud800".repeat(1 << 19),
      "1".repeat(1 << 20),
    ]) {
      const context = { ...right, user_id: long, text: long, app: long };
      expect(asking.evaluate("s", context).vids.length).toBeLessThan(2);
      expect(asking.explain("s", { ...right, user_id: long }).layers[0]?.key).toHaveLength(long.length);
    }
  });

  it("may evaluate something itself when it is looked at", () => {
    const layers = compile(ruled(where("text", EQ, "outer")));
    const nested: Context = {
      get user_id() {
        expect(layers.evaluate("s", { user_id: "other", text: "inner" }).vids).toEqual([]);
        return "u";
      },
      get text() {
        expect(layers.evaluate("s", { user_id: "other", text: "inner" }).vids).toEqual([]);
        return "outer";
      },
    };
    const explained = layers.explain("s", nested);
    expect(explained.result.vids).toEqual([1]);
    expect(explained.layers[0]?.key).toBe("u");
  });

  it("is looked at once for each attribute", () => {
    const seen: PropertyKey[] = [];
    const { text, int } = { text: where("text", NEQ, "a"), int: where("int", NEQ, 3) };
    const rules = compile(ruled({ op: AND, children: [text, text, int, text, int] }));
    const context = new Proxy(right, {
      get(target, name, receiver) {
        seen.push(name);
        return Reflect.get(target, name, receiver);
      },
    });
    expect(rules.evaluate("s", context).vids).toEqual([1]);
    expect(seen).toEqual(["user_id", "text", "int"]);
  });
});
