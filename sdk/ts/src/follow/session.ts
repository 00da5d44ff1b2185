import type { Heartbeat, Hello, Update, WatchResponse } from "../gen/strata/serving/v1/config_pb.js";
import { now } from "../clock.js";
import { comparePositions, OlderError, positionText, sameBytes, Stage } from "../view.js";
import { end, endOfGoodbye, type End, type Ending } from "./ending.js";
import type { Held } from "./held.js";
import { bounded, defaultHeartbeat, maxHeartbeat } from "./timers.js";

/** Session takes the frames of one stream, or one fetch. */
export class Session {
  /** In milliseconds. */
  heartbeat = defaultHeartbeat;
  /** Something was taken over, or proved to be the newest. */
  settled = false;
  /** Parts of an Update have come, and not the last one. */
  staging = false;
  readonly #held: Held;
  readonly #anew: boolean;
  readonly #fetched: boolean;
  readonly #stage = new Stage();
  /** When Hello came. */
  #began: number | undefined;
  /** A Heartbeat has said how old what the server has is. */
  #informed = false;

  constructor(held: Held, anew: boolean, fetched: boolean) {
    this.#held = held;
    this.#anew = anew;
    this.#fetched = fetched;
  }

  /** Hello has come. */
  get answered(): boolean {
    return this.#began !== undefined;
  }

  /** Completes an end of the session. */
  ended(by: End): Ending {
    const lasted = this.#began === undefined ? 0 : now() - this.#began;
    return { ...by, answered: this.answered, anew: this.#anew, settled: this.settled, lasted };
  }

  /** Takes a frame. It returns an end if that has to be the last one. */
  take(frame: WatchResponse): End | undefined {
    const ends = this.#takeKnown(frame.frame);
    if (!ends) {
      this.#held.hear(this.heartbeat);
    }
    return ends;
  }

  #takeKnown(frame: WatchResponse["frame"]): End | undefined {
    switch (frame.case) {
      case undefined: // of a kind that is not known yet
        return undefined;
      case "hello":
        return this.#begin(frame.value);
      case "goodbye":
        return endOfGoodbye(frame.value);
      default:
    }
    if (!this.answered) {
      return end("doubtful", "a frame has come before Hello");
    }
    switch (frame.case) {
      case "update":
        return this.#update(frame.value);
      case "heartbeat":
        return this.#beat(frame.value);
      default:
        return undefined; // who may follow is for servers
    }
  }

  #begin(hello: Hello): End | undefined {
    if (this.answered) {
      return end("doubtful", "a second Hello has come");
    }
    const problem = this.#held.join(hello.environment);
    if (problem !== undefined) {
      return end("refused", problem);
    }
    this.#began = now();
    if (hello.heartbeatMillis > 0) {
      this.heartbeat = bounded(hello.heartbeatMillis, 1, maxHeartbeat);
    }
    this.#held.opened({
      stream: this.#fetched ? "" : hello.streamId, // of a fetch there is none to report to
      fetched: this.#fetched,
      since: this.#began,
      heartbeat: this.heartbeat,
      report: bounded(hello.reportMillis, 0, this.heartbeat),
    });
    return undefined;
  }

  #update(update: Update): End | undefined {
    let next;
    try {
      next = this.#stage.add(this.#held.current, update);
    } catch (error) {
      return end(error instanceof OlderError ? "behind" : "doubtful", error as Error);
    }
    this.staging = !next;
    if (!next) {
      return undefined;
    }
    // A copy, as the token would keep the whole frame in memory that it is a part of.
    this.#held.take(next, Uint8Array.from(update.resumeToken));
    this.settled = true;
    if (this.#informed) {
      // What comes when a stream begins is not news, and may be as old as what a relay
      // has been holding; it tells with its first heartbeat. What comes later is.
      this.#held.confirm(0);
    }
    return undefined;
  }

  #beat(heartbeat: Heartbeat): End | undefined {
    if (this.staging) {
      return end("doubtful", "a heartbeat has come between the parts of an update");
    }
    const { position, hash } = this.#held.current;
    const order = comparePositions(heartbeat, position);
    const at = positionText(heartbeat);
    if (order < 0) {
      return end("behind", `the server is behind what is held here: it is at ${at}, held is ${positionText(position)}`);
    }
    if (order > 0) {
      return end("missed", `the server is at ${at}, and has sent ${positionText(position)}`);
    }
    if (!sameBytes(heartbeat.hash, hash)) {
      return end("missed", `${at}: the server's hash is ${hex(heartbeat.hash)}, held is ${hex(hash)}`);
    }
    this.settled = true;
    this.#informed = true;
    this.#held.confirm(Math.max(0, Number(heartbeat.staleMillis)));
    return undefined;
  }
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
