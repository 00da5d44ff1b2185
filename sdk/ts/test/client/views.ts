// Configurations as servers send them.
import { create, toBinary } from "@bufbuild/protobuf";
import { gzipSync } from "node:zlib";

import { ExperimentSchema, LayerSchema } from "../../src/gen/strata/config/v1/config_pb.js";
import { ChangesSchema } from "../../src/gen/strata/config/v1/entity_pb.js";
import {
  Hello_Intent,
  Update_Kind,
  type WatchResponse,
  WatchResponseSchema,
} from "../../src/gen/strata/serving/v1/config_pb.js";
import { Entity, experimentKey, layerKey, View } from "../../src/view.js";

/** Returns a configuration in which everybody gets these parameters of a service "s", if they have a user_id. */
export function viewOf(revision: number, params: unknown, epoch = 1): View {
  const layer = create(LayerSchema, {
    layerId: "l",
    hashKey: "user_id",
    salt: "salt",
    enabled: true,
    ranges: [{ start: 0, end: 10_000, vid: 11 }],
  });
  const experiment = create(ExperimentSchema, {
    eid: 1,
    service: "s",
    variants: [{ vid: 11, paramsJson: typeof params === "string" ? params : JSON.stringify(params) }],
  });
  const puts = [
    new Entity(layerKey("l"), toBinary(LayerSchema, layer)),
    new Entity(experimentKey(1), toBinary(ExperimentSchema, experiment)),
  ];
  return View.empty.with({ epoch: BigInt(epoch), revision: BigInt(revision) }, puts, []);
}

type Frame = Parameters<typeof create<typeof WatchResponseSchema>>[1];

function frame(init: Frame): WatchResponse {
  return create(WatchResponseSchema, init);
}

/** Returns a Hello; the heartbeat is in milliseconds. */
export function hello(heartbeatMillis = 15_000, environment = "test"): WatchResponse {
  const value = { streamId: "stream", environment, intent: Hello_Intent.FULL, heartbeatMillis, reportMillis: 0 };
  return frame({ frame: { case: "hello", value } });
}

/** Returns the heartbeat of who has a configuration. */
export function heartbeat(view: View, staleMillis = 0): WatchResponse {
  const value = { ...view.position, hash: view.hash, staleMillis: BigInt(staleMillis) };
  return frame({ frame: { case: "heartbeat", value } });
}

/** Returns the Update that leads to a configuration, from another one if that is given, in so many parts at most. */
export function update(to: View, from?: View, parts = 1): WatchResponse[] {
  const differences = (from ?? View.empty).compare(to);
  const puts = differences.flatMap(({ after }) =>
    after ? [{ kind: after.key.kind, key: after.key.name, payload: after.payload }] : [],
  );
  const deletes = differences.flatMap(({ key, after }) => (after ? [] : [{ kind: key.kind, key: key.name }]));
  const each = Math.max(1, Math.ceil(puts.length / parts));
  const frames: WatchResponse[] = [];
  for (let part = 0; part * each < puts.length || part === 0; part++) {
    const last = (part + 1) * each >= puts.length;
    const changes = create(ChangesSchema, {
      puts: puts.slice(part * each, (part + 1) * each),
      deletes: last ? deletes : [],
    });
    const value = {
      kind: from ? Update_Kind.DELTA : Update_Kind.FULL,
      epoch: to.position.epoch,
      fromRevision: from?.position.revision ?? 0n,
      toRevision: to.position.revision,
      part,
      last,
      changes: gzipSync(toBinary(ChangesSchema, changes)),
      ...(last ? { hash: to.hash, entityCount: to.size, resumeToken: tokenOf(to) } : {}),
    };
    frames.push(frame({ frame: { case: "update", value } }));
  }
  return frames;
}

/** Returns the resume token of a configuration. */
export function tokenOf(view: View): Uint8Array {
  return new TextEncoder().encode(`${view.position.epoch}/${view.position.revision}`);
}
