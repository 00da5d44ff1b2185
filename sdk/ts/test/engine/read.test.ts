import { describe, expect, it } from "vitest";

import { joinPath, parsePath } from "../../src/engine/index.js";
import { Chance, compile, layered } from "./configs.js";

const context = { user_id: "u" };

describe("a reading", () => {
  const rules = compile(
    layered(
      `{"model":{"version":"v2","sizes":[1,{"a":2}]},"timeout_ms":100}`,
      `{"model":{"version":"v1","depth":3.5}}`,
    ),
  );
  const result = rules.evaluate("s", context);

  it("has the value, who set it, and who is exposed", () => {
    expect(result.read("model.version")).toEqual({
      path: "model.version",
      text: `"v2"`,
      value: "v2",
      winner: 0,
      exposed: [0],
      hidden: [1],
    });
    expect(result.read("model")).toMatchObject({ winner: 0, exposed: [0, 1], hidden: [] });
    expect(result.read("model").value).toEqual({ version: "v2", sizes: [1, { a: 2 }], depth: 3.5 });
    expect(result.read("model.depth")).toMatchObject({ text: "3.5", winner: 1, exposed: [1], hidden: [] });
    expect(result.read("model.version.more")).toMatchObject({
      text: "",
      value: undefined,
      winner: -1,
      exposed: [0],
      hidden: [1],
    });
    expect(result.read("")).toMatchObject({ text: result.parameters, winner: 0, exposed: [0, 1], hidden: [] });
  });

  it("is shared, and frozen at every depth", () => {
    const reading = rules.evaluate("s", { user_id: "v" }).read("model");
    expect(rules.evaluate("s", context).read("model")).toBe(reading);
    const { sizes } = reading.value as { sizes: [number, { a: number }] };
    expect(() => sizes.push(1 as never)).toThrow(TypeError);
    expect(() => (sizes[1].a = 3)).toThrow(TypeError);
    expect(() => (reading.exposed as number[]).push(1)).toThrow(TypeError);
    expect(() => (result.vids as number[]).push(1)).toThrow(TypeError);
    expect(() => ((result.matches[0] as { eid: number }).eid = 9)).toThrow(TypeError);
  });

  it("is had of every leaf", () => {
    const leaves = result.leaves();
    expect(leaves.map(({ path }) => path)).toEqual(["model.depth", "model.sizes", "model.version", "timeout_ms"]);
    for (const leaf of leaves) expect(result.read(leaf.path)).toEqual(leaf);
  });

  it("is of a path that somebody knows, or not", () => {
    const known = ["", "model", "model.depth", "timeout_ms"];
    const unknown = ["mod", "model.depth.x", "timeout_ms.", "."];
    expect(known.filter((path) => rules.knows("s", path))).toEqual(known);
    expect(unknown.filter((path) => rules.knows("s", path))).toEqual([]);
    expect(rules.knows("other", "")).toBe(false);
  });

  it("goes on being right when more paths are read than are remembered", () => {
    for (let i = 0; i < 1_000; i++) expect(result.read(`none${i}`).winner).toBe(-1);
    expect(result.read("timeout_ms").value).toBe(100);
  });
});

describe("paths", () => {
  it.each([
    ["", []],
    ["a", ["a"]],
    ["a.b", ["a", "b"]],
    [".", ["", ""]],
    [String.raw`a\.b.c\\`, ["a.b", "c\\"]],
    ["\\a\\", ["\\a\\"]],
  ])("%s", (path, keys) => {
    expect(parsePath(path)).toEqual(keys);
  });

  it("are read back as the keys that they were made of", () => {
    const chance = new Chance(7);
    for (let i = 0; i < 1_000; i++) {
      const keys = Array.from({ length: 2 + chance.below(4) }, () =>
        Array.from({ length: chance.below(4) }, () => chance.pick("a", ".", "\\", "é")).join(""),
      );
      expect(parsePath(joinPath(keys))).toEqual(keys);
      expect(parsePath(joinPath(["x" + keys[0]]))).toEqual(["x" + keys[0]]);
    }
  });
});
