import { after, sleep } from "../clock.js";
import type { Log } from "../log.js";
import { software } from "../version.js";
import { Refused } from "./plane.js";

/** How many entries wait to be sent. */
const maxWaiting = 10_000;
// A batch is sent when there is so much, or when its first entry has waited for so many
// milliseconds.
const batchEntries = 500;
const batchBytes = 1 << 20;
const batchDelay = 5000;
/** How much can be sent by a page that goes; browsers have a limit of 64 KiB. */
const lastBytes = 60_000;
// The longest waits after a failure, in milliseconds. The first doubles with each one, up
// to the last.
const firstPause = 500;
const longestPause = 60_000;
/** How long all that is left may take at the end. */
const closeTimeout = 5000;

interface Entry {
  readonly kind: "exposures" | "events";
  /** JSON. */
  readonly text: string;
}

/** Sends a batch in JSON, and returns how many entries were refused. What goes with a page has to outlive it. */
export type Send = (batch: string, signal: AbortSignal, goes: boolean) => Promise<number>;

/**
 * Sender sends exposures and events batch by batch, and again what could not be sent. An
 * entry that is sent twice is known by its insert_id.
 */
export class Sender {
  readonly #send: Send;
  readonly #log: Log;
  readonly #prefix: string;
  #count = 0;
  #dropped = 0;
  readonly #told = new Set<string>();
  /** The oldest first; what is being sent is still there. */
  #waiting: Entry[] = [];
  #cancel: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  readonly #closing = new AbortController();
  readonly #expired = new AbortController();

  constructor(send: Send, log: Log) {
    this.#send = send;
    this.#log = log;
    // crypto.randomUUID is there in secure contexts alone.
    const random = globalThis.crypto.getRandomValues(new Uint8Array(16));
    this.#prefix = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("") + "-";
  }

  /** How many entries were not sent, all in all. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds an entry, and completes it. What is too much is dropped: then it returns false. */
  put(kind: Entry["kind"], entry: Readonly<Record<string, unknown>>): boolean {
    if (this.#closing.signal.aborted) {
      this.drop(1, "the client is closed");
      return false;
    }
    if (this.#waiting.length >= maxWaiting) {
      this.drop(1, "too many wait to be sent");
      return false;
    }
    const id = { insert_id: this.#prefix + ++this.#count, time: new Date().toISOString() };
    this.#waiting.push({ kind, text: JSON.stringify({ ...entry, ...id }) });
    this.#plan();
    return true;
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

  /** Sends what waits, as much as a page can that may be gone before there is an answer. */
  leave(): void {
    const batch = this.#batch(lastBytes);
    if (batch.length > 0) {
      void this.#deliver(batch, true);
    }
  }

  /** Sends what is left, as long as there is time. It never rejects. */
  async close(): Promise<void> {
    this.#closing.abort();
    const cancel = after(closeTimeout, () => this.#expired.abort());
    while (this.#waiting.length > 0 && !this.#expired.signal.aborted) {
      this.#begin();
      await this.#sending;
    }
    cancel();
    this.#cancel?.();
    if (this.#waiting.length > 0) {
      this.drop(this.#waiting.length, "the client was closed before they could be sent");
      this.#waiting = [];
    }
  }

  #plan(): void {
    if (this.#waiting.length >= batchEntries) {
      this.#begin();
    } else {
      this.#cancel ??= after(batchDelay, () => this.#begin());
    }
  }

  /** Sends until nothing is due, unless it does already. */
  #begin(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#sending ??= this.#run().finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length > 0 && !this.#closing.signal.aborted) {
        this.#plan();
      }
    });
  }

  async #run(): Promise<void> {
    let pause = firstPause;
    while (!(await this.#deliver(this.#batch(batchBytes), false)) && !this.#expired.signal.aborted) {
      const { signal } = this.#closing.signal.aborted ? this.#expired : this.#closing;
      await sleep((pause / 2) * (1 + Math.random()), signal);
      pause = this.#closing.signal.aborted ? firstPause : Math.min(2 * pause, longestPause);
    }
  }

  #batch(most: number): Entry[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ text }, i) => {
      bytes += new TextEncoder().encode(text).length + 1;
      return i === batchEntries || bytes > most;
    });
    return end < 0 ? [...this.#waiting] : this.#waiting.slice(0, Math.max(end, 1));
  }

  /** Reports whether a batch is done with: it was taken, or never will be. */
  async #deliver(batch: readonly Entry[], goes: boolean): Promise<boolean> {
    if (batch.length === 0) {
      return true;
    }
    const list = (kind: Entry["kind"]) => batch.flatMap((entry) => (entry.kind === kind ? entry.text : [])).join(",");
    const text = `{"client":"${software}","exposures":[${list("exposures")}],"events":[${list("events")}]}`;
    try {
      const refused = await this.#send(text, this.#expired.signal, goes);
      if (refused > 0) {
        this.drop(refused, "the server refuses some as malformed");
      }
    } catch (error) {
      if (!(error instanceof Refused) || ![400, 403, 404, 501].includes(error.status)) {
        return false;
      }
      this.drop(batch.length, `the server takes none: ${error.message}`);
    }
    const done = new Set(batch);
    this.#waiting = this.#waiting.filter((entry) => !done.has(entry));
    return true;
  }
}
