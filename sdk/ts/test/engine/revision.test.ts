import { clone, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { changed, type Result, type Ruleset } from "../../src/engine/index.js";
import {
  FieldSchema,
  FieldType,
  Operator,
  type Snapshot,
  SnapshotSchema,
} from "../../src/gen/strata/config/v1/config_pb.js";
import { compile, layered, where } from "./configs.js";

const context = { user_id: "u", age: 20 };

/** The same configuration, as if it had been read again. */
function again(snapshot: Snapshot): Snapshot {
  return fromBinary(SnapshotSchema, toBinary(SnapshotSchema, snapshot));
}

function changedBy(snapshot: Snapshot, change: (snapshot: Snapshot) => void): Snapshot {
  const other = again(snapshot);
  change(other);
  return other;
}

function windows({ matches }: Result): number[] {
  return matches.map(({ window }) => window);
}

describe("revisions", () => {
  const first = layered(`{"a":1,"m":{"x":1}}`, `{"b":2}`, `{"c":3}`);
  const before = compile(first);
  const was = before.evaluate("s", context);

  it("share results of what is equal", () => {
    for (const snapshot of [first, again(first), clone(SnapshotSchema, first)]) {
      const after = compile(snapshot, before);
      expect(after.evaluate("s", context).matches).toBe(was.matches);
      expect(changed(before, after)).toEqual([]);
    }
    // What is compiled from nothing shares nothing.
    expect(windows(compile(first).evaluate("s", context))).not.toEqual(windows(was));
  });

  it("begin another window for an experiment that changed, and for all of a layer that did", () => {
    const second = changedBy(first, ({ experiments: [, two] }) => {
      if (two?.variants[0]) two.variants[0].paramsJson = `{"b":3}`;
    });
    const third = changedBy(second, ({ layers: [, , three] }) => {
      if (three) three.version = "v2";
    });
    const experiment = compile(second, before);
    const layer = compile(third, experiment);
    const [a, b, c] = windows(was);
    const [a1, b1, c1] = windows(experiment.evaluate("s", context));
    const [a2, b2, c2] = windows(layer.evaluate("s", context));
    expect([a1, c1]).toEqual([a, c]);
    expect(b1).not.toBe(b);
    expect([a2, b2]).toEqual([a, b1]);
    expect(c2).not.toBe(c);
    expect(changed(before, experiment)).toEqual(["s.b"]);
    expect(changed(experiment, layer)).toEqual(["s.c"]);
  });

  it("give back a window to nobody, not even where all is as it once was", () => {
    const other = compile(
      changedBy(first, ({ layers: [one] }) => {
        if (one) one.salt = "other";
      }),
      before,
    );
    const back = compile(first, other);
    expect(windows(back.evaluate("s", context))[0]).not.toBe(windows(was)[0]);
    expect(windows(back.evaluate("s", context))[1]).toBe(windows(was)[1]);
  });

  it("say what may have changed", () => {
    expect(changed(undefined, before)).toEqual(["s.a", "s.b", "s.c", "s.m.x"]);
    expect(changed(before, undefined)).toEqual(["s.a", "s.b", "s.c", "s.m.x"]);
    expect(changed(undefined, undefined)).toEqual([]);
    const fewer = compile(
      changedBy(first, (snapshot) => {
        snapshot.layers.pop();
        snapshot.experiments.pop();
      }),
      before,
    );
    expect(changed(before, fewer)).toEqual(["s.c"]);
    expect(fewer.knows("s", "c")).toBe(false);
    expect([fewer.layers, fewer.experiments]).toEqual([2, 2]);
  });

  it("answer the same by changes as from nothing", () => {
    let rules: Ruleset = before;
    const snapshot = again(first);
    const steps: ((snapshot: Snapshot) => void)[] = [
      ({ experiments: [one] }) =>
        one &&
        (one.rule = create(SnapshotSchema, { experiments: [{ rule: where("age", Operator.GT, 18) }] }).experiments[0]
          ?.rule),
      ({ fields }) => fields.push(create(FieldSchema, { name: "age", type: FieldType.FLOAT })),
      ({ layers: [one] }) => one && (one.priority = -9),
      ({ experiments: [, two] }) => two && (two.service = "t"),
      ({ layers: [, two] }) => two && (two.ranges = []),
      (all) => (all.layers = all.layers.slice(1)),
      (all) => (all.experiments = all.experiments.slice(1)),
      ({ fields }) => fields.pop(),
    ];
    for (const step of steps) {
      step(snapshot);
      const read = again(snapshot);
      rules = compile(read, rules);
      const fresh = compile(read);
      for (const service of ["s", "t"]) {
        const got = rules.explain(service, context);
        const want = fresh.explain(service, context);
        expect(got.layers).toEqual(want.layers);
        expect(got.parameters).toEqual(want.parameters);
        expect(got.result.parameters).toBe(want.result.parameters);
        expect(rules.knows(service, "b")).toBe(fresh.knows(service, "b"));
      }
      expect(rules.hashKeys()).toEqual(fresh.hashKeys());
    }
  });

  it("compile rules again whose field has another type", () => {
    const snapshot = layered(`{"a":1}`);
    const [one] = snapshot.experiments;
    const { experiments } = create(SnapshotSchema, { experiments: [{ rule: where("age", Operator.EQ, 20) }] });
    const rule = experiments[0]?.rule;
    if (!one || !rule) throw new Error("incomplete");
    one.rule = rule;
    const rules = compile(snapshot);
    const halves = { user_id: "u", age: 20.5 };
    expect(rules.explain("s", halves).layers[0]?.rule).toMatchObject({ type: "int", truth: 2 });
    const field = create(FieldSchema, { name: "age", type: FieldType.FLOAT });
    const after = rules.apply({ revision: 2n, fields: [field] });
    expect(after.revision).toBe(2n);
    expect(after.explain("s", halves).layers[0]?.rule).toMatchObject({ type: "float", truth: 1 });
    const back = after.apply({ revision: 3n, deletedFields: ["age"] });
    expect(back.explain("s", halves).layers[0]?.rule).toMatchObject({ type: "int", truth: 2 });
    expect(windows(back.evaluate("s", context))).not.toEqual(windows(rules.evaluate("s", context)));
  });
});
