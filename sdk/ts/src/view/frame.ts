import { gunzipSync } from "node:zlib";

import { fromBinary } from "@bufbuild/protobuf";

import { type Changes, ChangesSchema } from "../gen/strata/config/v1/entity_pb.js";

/**
 * How large the changes of one part may be, decompressed, in bytes: an experiment of the
 * largest parameters, many times.
 */
export const maxPartBytes = 64 << 20;

/**
 * Decodes one part of an Update: gzipped changes.
 *
 * @throws Error if it is none
 */
export function decodePart(part: Uint8Array): Changes {
  let data;
  try {
    data = gunzipSync(part, { maxOutputLength: maxPartBytes });
  } catch (cause) {
    const tooLarge = cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE";
    const why = tooLarge ? `larger than ${maxPartBytes >> 20} MiB decompressed` : "not gzipped, or cut off";
    throw new Error(`changes: ${why}`, { cause });
  }
  let changes;
  try {
    changes = fromBinary(ChangesSchema, data);
  } catch (cause) {
    throw new Error("changes: no valid message", { cause });
  }
  // Copies, as each payload would keep all of the data, long after the others are replaced.
  for (const put of changes.puts) put.payload = Uint8Array.from(put.payload);
  return changes;
}
