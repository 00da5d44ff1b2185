import { create, toBinary } from "@bufbuild/protobuf";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

import { Ruleset, type Reading } from "../../src/engine/index.js";
import { SnapshotSchema } from "../../src/gen/strata/config/v1/config_pb.js";
import { ChangesSchema } from "../../src/gen/strata/config/v1/entity_pb.js";
import { decodePart } from "../../src/view.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Returns how many bytes of heap are in use. */
function used(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Reads two small values of parameters of half a mebibyte. */
function readSmall(i: number): Reading[] {
  const padding = String(i)
    .repeat(1 << 19)
    .slice(0, 1 << 19);
  const value = JSON.stringify(`value ${i} is too long to be copied anyway`);
  const rules = Ruleset.compile(
    undefined,
    create(SnapshotSchema, {
      layers: [{ layerId: "l", hashKey: "u", salt: "x", enabled: true, ranges: [{ start: 0, end: 10_000, vid: 1 }] }],
      experiments: [
        {
          eid: 1,
          service: "s",
          variants: [{ vid: 1, paramsJson: `{"a":${value},"o":{"a":${value}},"p":"${padding}"}` }],
        },
      ],
    }),
  );
  const result = rules.evaluate("s", { u: "v" });
  return ["a", "o"].map((path) => result.read(path));
}

test("an entity does not keep what came with it in memory", () => {
  const entities = { small: 10, large: 1 << 20 };
  const puts = Object.entries(entities).map(([key, bytes]) => ({ kind: 1, key, payload: new Uint8Array(bytes) }));
  const changes = create(ChangesSchema, { puts });
  const [small, large] = decodePart(gzipSync(toBinary(ChangesSchema, changes))).puts;
  expect(small?.payload.buffer.byteLength).toBe(10);
  expect(large?.payload.buffer.byteLength).toBe(1 << 20);
});

test("a reading does not keep all parameters in memory", () => {
  readSmall(0); // what is compiled when it is first used
  const before = used();
  const readings = Array.from({ length: 40 }, (_, i) => readSmall(i));
  expect(used() - before).toBeLessThan(5 << 20);
  expect(readings.flat().length).toBe(80);
});
