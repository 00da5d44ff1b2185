// The client's side of the config stream: it keeps an environment's configuration as
// new as its server has it, over any number of lost connections, and never gives up or
// takes back what it has. It knows nothing of evaluation.
//
// Two configurations are kept apart. The replicated one is the newest that was received
// whole; it is what the server continues from. The active one runs, and is another one
// only while what was received since can not be run.
import { create } from "@bufbuild/protobuf";

import { now, sleep } from "../clock.js";
import { WatchRequestSchema } from "../gen/strata/serving/v1/config_pb.js";
import type { LastGood } from "../lastgood.js";
import type { Log } from "../log.js";
import type { ConfigClient } from "./client.js";
import { end, type Ending } from "./ending.js";
import { Held, type Sink } from "./held.js";
import { Pace } from "./pace.js";
import { report } from "./report.js";
import type { FollowerStatus } from "./status.js";
import type { Timers } from "./timers.js";
import { poll, watch, type Followed } from "./watch.js";

/** Says what is followed, and how. */
export interface FollowOptions {
  readonly client: ConfigClient;
  /** Where the server is; what is on disk is used again for the same one alone. */
  readonly url: string;
  /** What is followed. Empty is the one that a data plane serves. */
  readonly environment: string;
  /** If not empty, these are followed alone. */
  readonly services: readonly string[];
  /** Tells the caller from all others, as long as it lives. */
  readonly instance: string;
  /** The caller's software and its version, such as "strata-ts/1.2.0". */
  readonly software: string;
  readonly sink: Sink;
  /** Keeps the active configuration. */
  readonly store: LastGood | undefined;
  readonly timers: Timers;
  readonly log: Log;
}

/** Follower follows a server from start to stop. */
export class Follower {
  readonly #options: FollowOptions;
  readonly #held: Held;
  readonly #followed: Followed;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#held = new Held({ ...options, upstream: upstreamOf(options.url) });
    this.#followed = {
      client: options.client,
      held: this.#held,
      timers: options.timers,
      request: (anew) =>
        create(WatchRequestSchema, {
          environment: options.environment,
          services: [...options.services],
          instance: options.instance,
          client: options.software,
          resumeToken: anew ? new Uint8Array() : this.#held.resumeToken,
        }),
    };
  }

  /** Has a function called at each change of what status returns, but for times. */
  listen(listener: () => void): void {
    this.#held.listen(listener);
  }

  /** Returns how the follower is. */
  status(): FollowerStatus {
    return this.#held.status();
  }

  /**
   * Hands the last good configuration to the sink, and reports whether there is one that
   * is whole, of the URL, the environment and the services, and runs. It is for before start.
   */
  load(): boolean {
    const { store, url, environment, services } = this.#options;
    const content = store?.load(upstreamOf(url), environment, services);
    return content !== undefined && this.#held.restore(content);
  }

  /** Follows until stop. It is called once. */
  start(): void {
    const { signal } = this.#stopping;
    this.#running = Promise.all([this.#run(signal), report({ ...this.#options, held: this.#held }, signal)]);
  }

  /** Resolves when nothing goes on any more, and what was activated last is written. It never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#held.stop();
    this.#options.client.close();
    await this.#options.store?.flush();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { timers, log } = this.#options;
    const pace = new Pace(timers);
    for (let polls = false; ;) {
      const ending = await this.#attempt(polls, pace.anew, signal);
      if (signal.aborted) {
        return;
      }
      const next = pace.next(ending, now());
      this.#held.ended(ending);
      log[levelOf(ending)]("the config stream has ended, what was received goes on being used", {
        cause: ending.cause,
        error: ending.error,
        waitMillis: Math.round(next.wait),
        anew: pace.anew,
      });
      polls = next.polls;
      await sleep(next.wait, signal);
    }
  }

  async #attempt(polls: boolean, anew: boolean, signal: AbortSignal): Promise<Ending> {
    try {
      return await (polls ? poll : watch)(this.#followed, anew, signal);
    } catch (error) {
      // A fault of ours must not end the following.
      return { ...end("doubtful", error as Error), answered: false, anew, settled: false, lasted: 0 };
    }
  }
}

/** How much people should care. */
function levelOf(ending: Ending): "info" | "warn" | "error" {
  switch (ending.cause) {
    case "window":
    case "due":
      return "info";
    case "doubtful":
    case "refused":
      return "error";
    default:
      return "warn";
  }
}

/**
 * Returns the name by which what is kept on disk tells servers apart: a URL as others
 * may write it too, without what only says who asks.
 */
export function upstreamOf(server: string): string {
  const { protocol, host, pathname } = new URL(server);
  return `${protocol}//${host}${pathname.replace(/\/+$/, "")}`;
}
