import { after, jittered } from "../clock.js";
import type { Log } from "../log.js";

/** For about how long nothing is tried after a server has refused, in milliseconds. */
const refusedPause = 30_000;

/** What a Signal tells. */
export interface Listener {
  /** There is a stream, or there is none any more. */
  open(is: boolean): void;
  /** Something else runs: a position, as "epoch-revision". */
  told(position: string): void;
}

/** Signal hears of changes from a stream of server-sent events, as long as it can, until it is closed. */
export class Signal {
  readonly #url: () => string;
  readonly #listener: Listener;
  readonly #log: Log;
  #source: EventSource | undefined;
  #cancel: () => void = () => {};

  /** url returns where the stream is now. */
  constructor(url: () => string, listener: Listener, log: Log) {
    this.#url = url;
    this.#listener = listener;
    this.#log = log;
  }

  /** Begins, unless it has. */
  start(): void {
    if (this.#source || typeof EventSource === "undefined") {
      return;
    }
    const source = new EventSource(this.#url());
    this.#source = source;
    source.addEventListener("open", () => this.#listener.open(true));
    source.addEventListener("message", ({ lastEventId }) => this.#listener.told(lastEventId));
    source.addEventListener("error", () => {
      this.#listener.open(false);
      if (source.readyState === EventSource.CLOSED) {
        // It comes back by itself after all other errors.
        this.#log.warn("the stream of changes was refused", {});
        this.close();
        this.#cancel = after(jittered(refusedPause), () => this.start());
      }
    });
  }

  /** Ends it. It may be started again. */
  close(): void {
    this.#cancel();
    this.#source?.close();
    this.#source = undefined;
  }
}
