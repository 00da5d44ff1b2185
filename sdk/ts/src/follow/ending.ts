import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason, ErrorReasonSchema } from "../gen/strata/serving/v1/error_pb.js";
import { Goodbye_Reason, Goodbye_ReasonSchema, type Goodbye } from "../gen/strata/serving/v1/config_pb.js";
import { bounded } from "./timers.js";

/**
 * Why a stream has ended, as far as that matters to the next one.
 *
 * - `broken`: the connection has ended, or never was.
 * - `silent`: the server has said nothing for too long.
 * - `mute`: the stream did not begin in time, so something may hold it back.
 * - `behind`: the server is behind what is held.
 * - `doubtful`: what came is not right.
 * - `missed`: the server takes the follower to be where it is not.
 * - `refused`: the key is not good for it.
 * - `window`: the server has said when to come back.
 * - `due`: enough was fetched, a stream is to be tried.
 * - `stopped`: the follower stops.
 */
export type Cause =
  "broken" | "silent" | "mute" | "behind" | "doubtful" | "missed" | "refused" | "window" | "due" | "stopped";

/** What ends a stream, or a time of fetching. */
export interface End {
  readonly cause: Cause;
  readonly error: Error | undefined;
  /** When to come back, in milliseconds, for `window`. */
  readonly least: number;
  readonly most: number;
}

/** How a stream, or a time of fetching, has ended. */
export interface Ending extends End {
  /** For how many milliseconds it has gone well, since it was answered. */
  readonly lasted: number;
  /** Says that it had begun. */
  readonly answered: boolean;
  /** Says that it was asked for everything. */
  readonly anew: boolean;
  /** Says that something was taken over, or proved to be the newest. */
  readonly settled: boolean;
}

/** Bounds when a server can have its followers come back, in milliseconds. */
const maxWindow = 600_000;

/** Returns the end of a cause, with an error or the text of one. */
export function end(cause: Cause, error?: Error | string): End {
  return { cause, error: typeof error === "string" ? new Error(error) : error, least: 0, most: 0 };
}

/** Returns the end that a call's error means. */
export function endOf(error: unknown): End {
  if (!(error instanceof ConnectError)) {
    return end("broken", error instanceof Error ? error : String(error));
  }
  switch (error.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return end("refused", error);
    case Code.Unavailable:
    case Code.ResourceExhausted:
      break;
    default:
      return end("broken", error);
  }
  const { reason, metadata } = reasonOf(error);
  switch (reason) {
    case ErrorReasonSchema.value[ErrorReason.BEHIND]?.name:
      return end("behind", error);
    case ErrorReasonSchema.value[ErrorReason.OVERLOADED]?.name:
      return inWindow(Number(metadata.get("retry_min_millis")), Number(metadata.get("retry_max_millis")), error);
    default:
      return end("broken", error);
  }
}

/** Returns the end that a Goodbye means. */
export function endOfGoodbye(goodbye: Goodbye): End {
  const name = Goodbye_ReasonSchema.value[goodbye.reason]?.name ?? String(goodbye.reason);
  const error = new Error(`the server ends the stream: ${name}`);
  return goodbye.reason === Goodbye_Reason.REVOKED
    ? end("refused", error)
    : inWindow(goodbye.retryMinMillis, goodbye.retryMaxMillis, error);
}

/**
 * The end of a server that says when to come back. One that says at once says nothing,
 * or all would be back at the same time.
 */
function inWindow(leastMillis: number, mostMillis: number, error: Error): End {
  if (!Number.isFinite(leastMillis) || !Number.isFinite(mostMillis)) {
    return end("broken", error);
  }
  const least = bounded(leastMillis, 0, maxWindow);
  const most = bounded(mostMillis, least, maxWindow);
  return most === 0 ? end("broken", error) : { cause: "window", error, least, most };
}

interface Reason {
  readonly reason: string;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Returns what a server says for programs: the google.rpc.ErrorInfo of the domain "strata". */
function reasonOf(error: ConnectError): Reason {
  for (const detail of error.details) {
    if ("type" in detail && detail.type === "google.rpc.ErrorInfo") {
      try {
        const { domain, ...info } = readErrorInfo(detail.value);
        if (domain === "strata") {
          return info;
        }
      } catch {
        // What can not be read says nothing.
      }
    }
  }
  return { reason: "", metadata: new Map() };
}

function readErrorInfo(data: Uint8Array): Reason & { domain: string } {
  const metadata = new Map<string, string>();
  let reason = "";
  let domain = "";
  for (const [field, value] of fieldsOf(data)) {
    if (field === 1) {
      reason = text(value);
    } else if (field === 2) {
      domain = text(value);
    } else if (field === 3) {
      const entry = new Map(fieldsOf(value));
      metadata.set(text(entry.get(1)), text(entry.get(2)));
    }
  }
  return { reason, domain, metadata };
}

/** Yields the fields of a message that are strings or messages. */
function* fieldsOf(data: Uint8Array): Generator<[field: number, value: Uint8Array]> {
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === 2) {
      yield [field, reader.bytes()];
    } else {
      reader.skip(type, field);
    }
  }
}

function text(data: Uint8Array | undefined): string {
  return new TextDecoder().decode(data);
}
