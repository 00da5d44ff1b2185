import { describe, expect, it } from "vitest";

import { keyText, slot } from "../../src/engine/index.js";
import { loadWasm, wasm } from "../../src/engine/wasm.js";
import { xxh64 } from "../../src/engine/xxh64.js";
import { Chance } from "./configs.js";

function text(chance: Chance, length: number): string {
  const highest = chance.pick(0x80, 0x800, 0xd800);
  return String.fromCharCode(...Array.from({ length }, () => chance.below(highest)));
}

describe("slot", () => {
  it("is the one that everybody knows", () => {
    expect(slot("click_exp_2024", "user_12345")).toBe(7622);
  });

  it("is the hash of salt, zero and key, for salts and keys of all lengths, before and after WebAssembly is there", async () => {
    const chance = new Chance(1);
    const pairs = Array.from({ length: 1500 }, (_, i) => [text(chance, i % 300), text(chance, (7 * i) % 331)] as const);
    const pure = pairs.map(([salt, key]) => slot(salt, key));
    await loadWasm();
    expect(wasm()).toBeDefined();
    for (const [i, [salt, key]] of pairs.entries()) {
      const hash = xxh64(`${salt}\0${key}`);
      expect(wasm()?.h64ToString(`${salt}\0${key}`)).toBe(hash);
      expect(pure[i]).toBe(Number(BigInt(`0x${hash}`) % 10_000n));
      expect(slot(salt, key)).toBe(pure[i]);
    }
  });

  it("hashes half a surrogate pair as U+FFFD", () => {
    expect(slot("s", "a\ud800b")).toBe(slot("s", "a\ufffdb"));
    expect(slot("s", "\udc00".repeat(300))).toBe(slot("s", "\ufffd".repeat(300)));
    expect(keyText("a\ud800")).toBe("a\ufffd");
  });

  it("is uniform, and independent between salts", () => {
    const keys = 200_000;
    const cells = 100;
    const one = new Uint32Array(cells);
    const both = new Uint32Array(cells);
    for (let i = 0; i < keys; i++) {
      const a = slot("one", `user_${i}`);
      const b = slot("two", `user_${i}`);
      const cell = Math.floor(a / 100);
      const joint = 10 * Math.floor(a / 1000) + Math.floor(b / 1000);
      one[cell] = (one[cell] ?? 0) + 1;
      both[joint] = (both[joint] ?? 0) + 1;
    }
    const chiSquare = (counts: Uint32Array) =>
      counts.reduce((sum, count) => sum + (count - keys / cells) ** 2 / (keys / cells), 0);
    // Of 99 degrees of freedom, 1 in 100,000 is beyond 166.
    expect(chiSquare(one)).toBeLessThan(166);
    expect(chiSquare(both)).toBeLessThan(166);
  });
});

it("makes keys of strings and safe integers alone", () => {
  const keys: [unknown, string | undefined][] = [
    ["u", "u"],
    ["", undefined],
    [12, "12"],
    [-0, "0"],
    [-7, "-7"],
    [2 ** 53 - 1, "9007199254740991"],
    [2 ** 53, undefined],
    [1.5, undefined],
    [Number.NaN, undefined],
    [Infinity, undefined],
    [true, undefined],
    [null, undefined],
    [undefined, undefined],
    [12n, undefined],
    [Symbol("u"), undefined],
    [Object("u"), undefined],
    [["u"], undefined],
    [new Date(0), undefined],
  ];
  for (const [of, want] of keys) expect(keyText(of)).toBe(want);
});
