import { expect, test } from "vitest";

import { contextText, keyOf } from "../../src/remote/context.js";

test("a context is what evaluations can look at, in one order", () => {
  const odd = {
    z: "text",
    a: 1.5,
    t: true,
    nothing: null,
    not: NaN,
    list: [1],
    object: {},
    big: 10n,
    symbol: Symbol("s"),
    date: new Date(0),
    half: "a\ud800",
    get thrown() {
      throw new Error("of the getter");
    },
  };
  expect(contextText(odd)).toBe('{"a":1.5,"half":"a\ufffd","t":true,"z":"text"}');
  expect(contextText(JSON.parse('{"__proto__":"p"}'))).toBe('{"__proto__":"p"}');
  expect(contextText(Object.create({ inherited: "i" }))).toBe("{}");
  expect([contextText(undefined), contextText(null), contextText([]), contextText("text")]).toEqual(
    Array.from({ length: 4 }, () => undefined),
  );
});

test.each([
  ["text", "text"],
  ["", undefined],
  [-12, "-12"],
  [-0, "0"],
  [2 ** 53, undefined],
  [1.5, undefined],
  [true, undefined],
  [null, undefined],
])("the key of %s", (value, key) => {
  expect(keyOf({ a: value }, "a")).toBe(key);
});
