import { gzipSync } from "node:zlib";

import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { ExperimentSchema, FieldSchema, FieldType, LayerSchema } from "../../src/gen/strata/config/v1/config_pb.js";
import { ChangesSchema, type EntityKind } from "../../src/gen/strata/config/v1/entity_pb.js";
import { type Update, UpdateSchema, Update_Kind } from "../../src/gen/strata/serving/v1/config_pb.js";
import {
  compileView,
  decodePart,
  Entity,
  experimentKey,
  fieldKey,
  type Key,
  layerKey,
  maxPartBytes,
  OlderError,
  type Position,
  Stage,
  View,
  type ViewFault,
  ViewFaults,
} from "../../src/view.js";

function at(epoch: number, revision: number): Position {
  return { epoch: BigInt(epoch), revision: BigInt(revision) };
}

function entity(key: Key, payload: string): Entity {
  return new Entity(key, Buffer.from(payload));
}

function viewOf(position: Position, ...entities: Entity[]): View {
  return View.empty.with(position, entities, []);
}

/** Returns the updates that lead from a configuration, which may be none, to another one: a part for each change. */
function updates(before: View | undefined, after: View): Update[] {
  const parts = (before ?? View.empty)
    .compare(after)
    .map(({ key, after: put }) =>
      put
        ? { puts: [{ kind: key.kind, key: key.name, payload: put.payload }] }
        : { deletes: [{ kind: key.kind, key: key.name }] },
    );
  return (parts.length > 0 ? parts : [{}]).map((changes, part, { length }) =>
    create(UpdateSchema, {
      kind: before ? Update_Kind.DELTA : Update_Kind.FULL,
      epoch: after.position.epoch,
      fromRevision: before?.position.revision ?? 0n,
      toRevision: after.position.revision,
      part,
      last: part === length - 1,
      hash: after.hash,
      entityCount: after.size,
      changes: gzipSync(toBinary(ChangesSchema, create(ChangesSchema, changes))),
    }),
  );
}

const older = viewOf(at(5, 7), entity(layerKey("a"), "1"), entity(layerKey("b"), "2"), entity(fieldKey("f"), "3"));
const newer = older.with(at(5, 9), [entity(layerKey("a"), "4"), entity(experimentKey(1), "5")], [layerKey("b")]);

function add(stage: Stage, current: View, parts: readonly Update[]): View | undefined {
  return parts.map((part) => stage.add(current, part)).at(-1);
}

/** Returns a function that takes an entity from elsewhere. */
const put = (kind: number, key: string) => {
  const changes = create(ChangesSchema, { puts: [{ kind: kind as EntityKind, key }] });
  return () => View.empty.apply(at(1, 1), changes);
};

describe("a stage", () => {
  it("puts full and incremental updates together", () => {
    const stage = new Stage();
    expect(stage.add(View.empty, updates(undefined, older)[0] as Update)).toBeUndefined();
    const fresh = new Stage();
    const first = add(fresh, View.empty, updates(undefined, older));
    expect(first?.hash).toEqual(older.hash);
    expect(first?.position).toEqual(older.position);
    const second = add(fresh, first ?? View.empty, updates(first, newer));
    expect(second?.hash).toEqual(newer.hash);
    expect(second?.get(layerKey("b"))).toBeUndefined();
    // A full one replaces everything, and may lead to where one is.
    expect(add(fresh, newer, updates(undefined, viewOf(at(5, 9))))?.size).toBe(0);
    expect(add(fresh, newer, updates(undefined, viewOf(at(6, 1))))?.position).toEqual(at(6, 1));
  });

  const changed = (change: Partial<Update>, which = 0) =>
    updates(older, newer).map((part, i) => (i === which ? create(UpdateSchema, { ...part, ...change }) : part));
  const last = updates(older, newer).length - 1;

  it.each([
    [
      "another hash",
      changed({ hash: new Uint8Array(32) }, last),
      /^revision 9 of epoch 5: the hash is [0-9a-f]{64}, and should be 0{64}$/,
    ],
    ["another count", changed({ entityCount: 9 }, last), /: 3 entities, and should be 9$/],
    ["a part that is missing", updates(older, newer).slice(1), /^part 1 of an update came where part 0 should$/],
    [
      "a part that comes twice",
      [0, 0].flatMap((i) => updates(older, newer).slice(i, 1)),
      /^part 0 of an update came where part 1 should$/,
    ],
    ["parts of two updates", changed({ toRevision: 8n }, 1), /^parts of two updates are mixed$/],
    [
      "a gap",
      changed({ fromRevision: 6n }),
      /^an update from revision 6 of epoch 5 came, held is revision 7 of epoch 5$/,
    ],
    ["another epoch", changed({ epoch: 4n }), /^an update from revision 7 of epoch 4 came, held is/],
    ["a way back", changed({ toRevision: 7n }), /leads back to revision 7$/],
    ["no revision", changed({ toRevision: 0n }), /^an update leads to revision 0$/],
    ["an unknown kind", changed({ kind: 9 as Update_Kind }), /^an update of unknown kind 9$/],
    ["no gzip", changed({ changes: Buffer.from("x") }), /^changes: not gzipped, or cut off$/],
    [
      "what is cut off",
      changed({ changes: gzipSync("some text that is long enough").subarray(0, -9) }),
      /^changes: not gzipped, or cut off$/,
    ],
    ["no message", changed({ changes: gzipSync("\xff\xff") }), /^changes: no valid message$/],
  ])("refuses %s, and begins anew", (_, parts, problem) => {
    const stage = new Stage();
    expect(() => add(stage, older, parts)).toThrow(problem);
    expect(add(stage, older, updates(older, newer))?.hash).toEqual(newer.hash);
  });

  it("knows a server that is behind", () => {
    const stage = new Stage();
    expect(() => add(stage, newer, updates(undefined, older))).toThrow(OlderError);
    expect(() => add(stage, newer, updates(undefined, viewOf(at(4, 99))))).toThrow(OlderError);
  });

  it("refuses keys that no server of ours has", () => {
    expect(put(0, "a")).toThrow("puts[0]: kind 0: want 1 to 255");
    expect(put(256, "a")).toThrow("puts[0]: kind 256: want 1 to 255");
    expect(put(1, "")).toThrow("puts[0]: an entity without a key");
    expect(put(1, "é".repeat(129))).toThrow("puts[0]: a key of 258 bytes: want at most 256");
    expect(put(255, "é".repeat(128))).not.toThrow();
  });

  it("takes no more than there is room for", () => {
    const bomb = gzipSync(new Uint8Array(maxPartBytes + 1));
    expect(() => decodePart(bomb)).toThrow("changes: larger than 64 MiB decompressed");
  });
});

const layer = (layerId: string, vid: number) =>
  new Entity(
    layerKey(layerId),
    toBinary(
      LayerSchema,
      create(LayerSchema, {
        layerId,
        hashKey: "user_id",
        salt: "s",
        enabled: true,
        ranges: [{ start: 0, end: 10_000, vid }],
      }),
    ),
  );

const experiment = (eid: number, paramsJson: string) =>
  new Entity(
    experimentKey(eid),
    toBinary(ExperimentSchema, create(ExperimentSchema, { eid, service: "s", variants: [{ vid: eid, paramsJson }] })),
  );

const faultsOf = (refused: () => unknown): readonly ViewFault[] => {
  try {
    refused();
  } catch (error) {
    if (error instanceof ViewFaults) return error.faults;
    throw error;
  }
  return [];
};

describe("a view that is compiled", () => {
  const field = new Entity(
    fieldKey("age"),
    toBinary(FieldSchema, create(FieldSchema, { name: "age", type: FieldType.INT })),
  );
  const unknown = entity({ kind: 77, name: "x" }, "what comes later");
  const context = { user_id: "u" };
  const first = viewOf(
    at(1, 1),
    layer("one", 1),
    layer("two", 2),
    experiment(1, `{"a":1}`),
    experiment(2, `{"b":1}`),
    field,
    unknown,
  );

  it("shares with the one that runs what stays", () => {
    const rules = compileView(undefined, undefined, first);
    expect(rules.evaluate("s", context).parameters).toBe(`{"a":1,"b":1}`);
    const next = first.with(at(1, 2), [experiment(2, `{"b":2}`)], [layerKey("one"), experimentKey(1), fieldKey("age")]);
    const after = compileView(first, rules, next);
    expect(after.revision).toBe(2n);
    expect(after.evaluate("s", context).parameters).toBe(`{"b":2}`);
    expect([after.layers, after.experiments]).toEqual([1, 1]);
    const same = compileView(next, after, next.with(at(1, 3), [unknown], []));
    expect(same.revision).toBe(3n);
    expect(same.evaluate("s", context).matches).toBe(after.evaluate("s", context).matches);
  });

  it("is refused with every fault", () => {
    const rules = compileView(undefined, undefined, first);
    const wrong = entity(layerKey("three"), "\xff\xff");
    const misnamed = new Entity(experimentKey(3), experiment(4, "{}").payload);
    expect(faultsOf(() => compileView(first, rules, first.with(at(1, 2), [wrong, misnamed], [])))).toEqual([
      { key: layerKey("three"), problem: "layer three: its payload is no such message" },
      { key: experimentKey(3), problem: `experiment 3: its payload is that of "4"` },
    ]);
    const next = first.with(at(1, 2), [experiment(2, "[]"), layer("four", 44)], []);
    const want = [
      { key: experimentKey(2), problem: "experiment 2: variants[0].params: want an object, got a list" },
      { key: layerKey("four"), problem: "layer four: ranges[0].vid: 44 is no variant of any experiment" },
    ];
    expect(faultsOf(() => compileView(first, rules, next))).toEqual(want);
    expect(faultsOf(() => compileView(undefined, undefined, next))).toEqual(want);
  });
});
