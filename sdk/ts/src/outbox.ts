import { toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";

import { now } from "./clock.js";
import type { Outgoing } from "./exposures.js";
import { type Event, EventSchema, type Exposure, ExposureSchema } from "./gen/strata/serving/v1/event_pb.js";
import type { Log } from "./log.js";

/** How many entries wait to be sent. */
const maxWaiting = 10_000;
// A batch is sent when there is so much, or when its first entry has waited for so many
// milliseconds.
const batchEntries = 500;
const batchBytes = 1 << 20;
const batchDelay = 5000;

interface Entry {
  readonly exposure?: Exposure;
  readonly event?: Event;
  readonly since: number;
  readonly bytes: number;
}

/** Entries that are to be sent together. */
export interface Batch {
  readonly entries: readonly Entry[];
  /** When that is due, by the clock of now(); in the past if it is as much as a batch may be. */
  readonly due: number;
}

/**
 * Outbox holds exposures and events until they have been sent. Nobody who puts something
 * in waits for that.
 */
export class Outbox implements Outgoing {
  readonly #log: Log;
  readonly #listener: () => void;
  /** Of insert ids. */
  readonly #prefix = `${randomName()}-`;
  /** The oldest first; what is being sent is still there. */
  #waiting: Entry[] = [];
  /** Of all that was put. */
  #count = 0;
  #dropped = 0;
  /** Why entries were dropped, as far as the log knows. */
  readonly #told = new Set<string>();
  #closed = false;

  /** The listener is told when there may be a batch. */
  constructor(log: Log, listener: () => void) {
    this.#log = log;
    this.#listener = listener;
  }

  /** How many entries were not sent, all in all. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds an exposure, which it owns then, and completes it. What is too much is dropped: then it returns false. */
  putExposure(exposure: Exposure): boolean {
    if (!this.#accepts()) {
      return false;
    }
    this.#complete(exposure);
    this.#add({ exposure, since: now(), bytes: toBinary(ExposureSchema, exposure).length });
    return true;
  }

  /** Adds an event, as putExposure does. */
  putEvent(event: Event): void {
    if (this.#accepts()) {
      this.#complete(event);
      this.#add({ event, since: now(), bytes: toBinary(EventSchema, event).length });
    }
  }

  /** Counts what is not sent, and logs the first of each reason. */
  drop(count: number, why: string): void {
    this.#dropped += count;
    if (!this.#told.has(why)) {
      this.#told.add(why);
      this.#log.warn("exposures or events are dropped; it is counted from now on, and not logged again", {
        reason: why,
      });
    }
  }

  /** Returns what is to be sent next. The entries stay where they are. */
  batch(): Batch {
    let bytes = 0;
    for (const [i, entry] of this.#waiting.entries()) {
      bytes += entry.bytes;
      if (i > 0 && (i === batchEntries || bytes > batchBytes)) {
        return { entries: this.#waiting.slice(0, i), due: -Infinity };
      }
    }
    const [first] = this.#waiting;
    const isFull = this.#waiting.length === batchEntries;
    return { entries: [...this.#waiting], due: first && !isFull ? first.since + batchDelay : -Infinity };
  }

  /** Takes out the first entries. */
  remove(count: number): void {
    this.#waiting.splice(0, count);
  }

  /** Has all be dropped that is put in from now on. */
  shut(): void {
    this.#closed = true;
  }

  /** Drops what waits, and returns how much that was. */
  clear(why: string): number {
    const count = this.#waiting.length;
    this.#waiting = [];
    if (count > 0) {
      this.drop(count, why);
    }
    return count;
  }

  #accepts(): boolean {
    if (this.#closed) {
      this.drop(1, "the client is closed");
      return false;
    }
    if (this.#waiting.length >= maxWaiting) {
      this.drop(1, "too many wait to be sent");
      return false;
    }
    return true;
  }

  #complete(entry: Exposure | Event): void {
    this.#count++;
    entry.insertId = this.#prefix + this.#count;
    entry.time = timestampFromMs(Date.now());
  }

  #add(entry: Entry): void {
    this.#waiting.push(entry);
    if (this.#waiting.length === 1 || this.#waiting.length === batchEntries) {
      this.#listener();
    }
  }
}

/** Returns 128 random bits in hexadecimal. */
function randomName(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16)); // pages have that without TLS, too
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
