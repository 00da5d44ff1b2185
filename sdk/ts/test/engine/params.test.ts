import { describe, expect, it } from "vitest";

import { Chance, compile, faultsOf, layered } from "./configs.js";

const context = { user_id: "u" };

function served(...params: string[]): string {
  return compile(layered(...params)).evaluate("s", context).parameters;
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Merges as docs/semantics.md says it. */
function merged(above: Json | undefined, below: Json): Json {
  if (above === undefined) return below;
  if (!isObject(above) || !isObject(below)) return above;
  const all = { ...above };
  for (const [key, value] of Object.entries(below)) all[key] = merged(above[key], value);
  return all;
}

describe("the normal form", () => {
  it.each([
    [`{ "b" : [ 1 , -0, 12.0,1.2e1 ] , "a":null}`, `{"b":[1,0,12,12],"a":null}`],
    [`{"2":1,"1":2,"__proto__":3,"":4}`, `{"2":1,"1":2,"__proto__":3,"":4}`],
    [
      `{"n":[1e300,1e-7,0.000001,9007199254740992.0,1e20,0.1,123456789.5,-1.5e-10,5e-324]}`,
      `{"n":[1e+300,1e-7,0.000001,9.007199254740992e+15,1e+20,0.1,123456789.5,-1.5e-10,5e-324]}`,
    ],
    [
      String.raw`{"s":"\u0041\/\u00e9\ud83d\ude00\u2028\b\f\n\r\t\u007f\"\\"}`,
      String.raw`{"s":"A/é😀` + "\u2028" + String.raw`\u0008\u000c\n\r\t` + "\u007f" + String.raw`\"\\"}`,
    ],
    ["{}", "{}"],
    [`{"a":{}, "b":[ ]}`, `{"a":{},"b":[]}`],
  ])("of %s", (text, want) => {
    expect(served(text)).toBe(want);
  });

  it("is JSON of the same values, and stays as it is", () => {
    const text = `{"a":[{"b":1.5,"c":["x",{"d":true}]}],"e":{"f":null}}`;
    expect(JSON.parse(served(text))).toEqual(JSON.parse(text));
    expect(served(served(text))).toBe(served(text));
  });
});

it("refuses what is no JSON", () => {
  const none = [
    "{",
    `{"a"}`,
    `{"a":}`,
    `{"a":1 "b":2}`,
    "{a:1}",
    `{"a":01}`,
    `{"a":1.}`,
    `{"a":.5}`,
    `{"a":+1}`,
    `{"a":1e}`,
  ];
  none.push(
    `{"a":1e+}`,
    `{"a":-}`,
    `{"a":tru}`,
    `{"a":nul}`,
    `{"a":[1,]}`,
    `{"a":[1}`,
    `{"a":"\n"}`,
    String.raw`{"a":"\x"}`,
  );
  none.push(
    String.raw`{"a":"\u12g4"}`,
    String.raw`{"a":"\ud800\u0041"}`,
    `{"a":"`,
    `{"a":NaN}`,
    `{"a":'b'}`,
    "{}{}",
    "\u00a0{}",
  );
  const problems = none.map((text) => faultsOf(() => compile(layered(text)))[0]);
  const problem = /^experiment 1: variants\[0\]\.params: not valid JSON at byte \d+: /;
  expect(problems).toEqual(none.map(() => expect.stringMatching(problem)));
});

/** Puts an object into 63 others. */
function deep(object: string): string {
  return `{"a":`.repeat(63) + object + "}".repeat(63);
}

describe("a merge", () => {
  it("keeps the order in which keys come", () => {
    expect(served(`{"9":1,"m":{"z":1}}`, `{"a":2,"m":{"b":2,"z":3},"1":4}`)).toBe(
      `{"9":1,"m":{"z":1,"b":2},"a":2,"1":4}`,
    );
  });

  it("hides by null, and goes on below a scalar that meets no object first", () => {
    expect(served(`{"a":null}`, `{"a":{"b":1}}`)).toBe(`{"a":null}`);
    expect(served(`{"a":{"x":1}}`, `{"a":5}`, `{"a":{"y":2}}`)).toBe(`{"a":{"x":1,"y":2}}`);
  });

  it("is that of the contract", () => {
    const chance = new Chance(4);
    const random = (depth: number): Json => {
      if (depth === 0 || chance.below(3) === 0) return chance.pick<Json>(1, "x", null, true, [1, { a: 2 }], {});
      return Object.fromEntries(
        Array.from({ length: chance.below(4) }, () => [chance.pick("a", "b", "1", "é"), random(depth - 1)]),
      );
    };
    for (let i = 0; i < 500; i++) {
      const all = Array.from({ length: 1 + chance.below(5) }, () => ({
        k: random(3),
        [chance.pick("a", "b")]: random(2),
      }));
      const want = all.reduce<Json>((above, below) => merged(above, below), {});
      expect(JSON.parse(served(...all.map((one) => JSON.stringify(one))))).toEqual(want);
    }
  });

  it("takes 64 levels, and a mebibyte", () => {
    const both = served(deep(`{"x":1}`), deep(`{"y":2}`));
    expect(both).toBe(deep(`{"x":1,"y":2}`));
    const rules = compile(layered(deep(`{"x":1}`), deep(`{"y":2}`)));
    const path = "a.".repeat(63) + "y";
    expect(rules.evaluate("s", context).read(path)).toMatchObject({ value: 2, winner: 1 });
    expect(rules.explain("s", context).parameters).toHaveLength(2);
    const long = `{"a":"${"x".repeat((1 << 20) - 8)}"}`;
    expect(served(long)).toBe(long);
  });
});
