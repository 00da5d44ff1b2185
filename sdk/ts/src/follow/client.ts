import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

import {
  ConfigService,
  FetchRequestSchema,
  type FetchResponse,
  type ReportStatusRequest,
  type WatchRequest,
  type WatchResponse,
} from "../gen/strata/serving/v1/config_pb.js";
import { connections } from "../http.js";
import type { Signer } from "../signing.js";
import { bounding, boundingFrames, maxFetchBytes, maxFrameBytes } from "./bounds.js";
import type { Timers } from "./timers.js";

/** A config service. What it returns and yields rejects with the call's error, at the latest once the signal is aborted. */
export interface ConfigClient {
  /** Yields the frames of a stream, until the server has sent the last one. */
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchResponse>;
  fetch(watch: WatchRequest, signal: AbortSignal): Promise<FetchResponse>;
  report(request: ReportStatusRequest, signal: AbortSignal): Promise<void>;
  /** Frees what no call needs any more. */
  close(): void;
}

/**
 * Returns the config service at a URL. A stream has a connection of its own, one each
 * time, so that other calls do not hold it up, and none is used again that may be dead.
 */
export function dial(url: string, signer: Signer | undefined, timers: Timers): ConfigClient {
  const streaming = connections(timers.hello / 2, { keep: false });
  const calling = connections(timers.hello / 2, { keep: true });
  // No call changes anything, so that sessions will do.
  const signed = (next: typeof fetch) => (signer ? signer.wrap(next, "session") : next);
  const client = (next: typeof fetch) =>
    createClient(ConfigService, createConnectTransport({ baseUrl: url, useBinaryFormat: true, fetch: next }));
  const streams = client(boundingFrames(signed(streaming.fetch), maxFrameBytes));
  const calls = client(bounding(signed(calling.fetch), maxFetchBytes));
  return {
    watch: (request, signal) => streams.watch(request, { signal }),
    fetch: (watch, signal) => calls.fetch(create(FetchRequestSchema, { watch }), { signal }),
    async report(request, signal) {
      await calls.reportStatus(request, { signal });
    },
    close() {
      streaming.close();
      calling.close();
    },
  };
}
