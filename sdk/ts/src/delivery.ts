import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { after, now, sleep, Waker } from "./clock.js";
import { type RecordRequest, RecordRequestSchema, type RecordResponse } from "./gen/strata/serving/v1/event_pb.js";
import type { Log } from "./log.js";
import { Outbox, type Batch } from "./outbox.js";
import { software } from "./version.js";

// The longest waits after a failure, in milliseconds. The first doubles with each one, up
// to the last.
const firstPause = 500;
const longestPause = 60_000;
/** How long an answer may take. */
const answerTimeout = 10_000;
/** How long all that is left may take at the end. */
const closeTimeout = 5000;

/** Sends a batch, and rejects with the call's error. */
export type Send = (request: RecordRequest, signal: AbortSignal) => Promise<RecordResponse>;

/** Delivery sends what is put in its outbox, batch by batch, in order, until it is closed. */
export class Delivery {
  readonly outbox: Outbox;
  readonly #send: Send;
  readonly #log: Log;
  readonly #waker = new Waker();
  /** What is left is sent at once. */
  readonly #closing = new AbortController();
  /** There is no more time. */
  readonly #expired = new AbortController();
  readonly #running: Promise<void>;
  #failure: unknown;

  constructor(send: Send, log: Log) {
    this.#send = send;
    this.#log = log;
    this.outbox = new Outbox(log, () => this.#waker.wake());
    this.#running = this.#run();
  }

  /** Sends what is left, as long as there is time. It never rejects. */
  async close(): Promise<void> {
    this.outbox.shut();
    this.#closing.abort();
    this.#waker.wake();
    const cancel = after(closeTimeout, () => this.#expired.abort());
    await this.#running;
    cancel();
    const lost = this.outbox.clear("the client was closed before they could be sent");
    if (lost > 0) {
      this.#log.error("exposures and events could not be sent", { count: lost, error: this.#failure });
    }
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal;
    const expired = this.#expired.signal;
    let pause = 0; // after a failure
    while (!expired.aborted) {
      const batch = this.outbox.batch();
      if (batch.entries.length === 0) {
        if (closing.aborted) {
          return;
        }
        await this.#waker.wait();
        continue;
      }
      if (pause > 0) {
        const before = closing.aborted;
        await sleep((pause / 2) * (1 + Math.random()), before ? expired : closing);
        if (!before && closing.aborted) {
          pause = 0; // there is no time for longer ones
        }
      } else if (!closing.aborted && now() < batch.due) {
        await this.#waker.wait(batch.due - now());
        continue;
      }
      if (expired.aborted) {
        return;
      }
      if (await this.#deliver(batch)) {
        this.outbox.remove(batch.entries.length);
        pause = 0;
      } else {
        pause = Math.min(Math.max(2 * pause, firstPause), longestPause);
      }
    }
  }

  /** Reports whether a batch is done with: it was taken, or never will be. */
  async #deliver({ entries }: Batch): Promise<boolean> {
    const request = create(RecordRequestSchema, {
      exposures: entries.flatMap(({ exposure }) => exposure ?? []),
      events: entries.flatMap(({ event }) => event ?? []),
      client: software,
    });
    const call = new AbortController();
    const stop = () => call.abort();
    const cancel = after(answerTimeout, stop);
    this.#expired.signal.addEventListener("abort", stop);
    try {
      const { refusals } = await this.#send(request, call.signal);
      if (refusals.length > 0) {
        this.outbox.drop(refusals.length, "the server refuses some as malformed");
      }
      return true;
    } catch (error) {
      if (isFinal(error)) {
        this.outbox.drop(entries.length, `the server takes none: ${Code[error.code]}`);
        return true;
      }
      this.#failure = error;
      return false;
    } finally {
      cancel();
      this.#expired.signal.removeEventListener("abort", stop);
    }
  }
}

/** Reports whether to send the same again would fail again. */
function isFinal(error: unknown): error is ConnectError {
  return (
    error instanceof ConnectError &&
    [Code.Unimplemented, Code.NotFound, Code.PermissionDenied, Code.InvalidArgument].includes(error.code)
  );
}
