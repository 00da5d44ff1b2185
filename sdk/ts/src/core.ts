import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

import { Changes, type Moment } from "./changes.js";
import { Delivery } from "./delivery.js";
import { changed, type Context, type Explanation, Ruleset } from "./engine/index.js";
import { Evaluation } from "./evaluation.js";
import { messageOf, type Event } from "./event.js";
import { Exposer } from "./exposures.js";
import { dial } from "./follow/client.js";
import { Follower } from "./follow/follow.js";
import type { Timers } from "./follow/timers.js";
import { SnapshotSchema } from "./gen/strata/config/v1/config_pb.js";
import { EventService } from "./gen/strata/serving/v1/event_pb.js";
import { connections } from "./http.js";
import { LastGood } from "./lastgood.js";
import type { Log } from "./log.js";
import { LocallyEvaluated, Running } from "./running.js";
import type { Settings } from "./settings.js";
import { Signer } from "./signing.js";
import type { Change, State, Status } from "./status.js";
import { software } from "./version.js";

/** How long a connection for exposures may take, in milliseconds. */
const connectTimeout = 10_000;

/** Core is what a Client does, with its timers to be chosen. */
export class Core {
  readonly #log: Log;
  readonly #follower: Follower;
  readonly #delivery: Delivery;
  readonly #exposer: Exposer;
  readonly #changes: Changes<Ruleset>;
  readonly #hangUp: () => void;
  #running: Running | undefined;
  /** Those who wait for a configuration, or the end. */
  #waiting: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(settings: Settings, timers: Timers) {
    const { url, key, audience, log, cacheDir } = settings;
    const signer = key && new Signer(key, audience);
    const events = connections(connectTimeout, { keep: true });
    const service = createClient(
      EventService,
      createConnectTransport({
        baseUrl: url,
        useBinaryFormat: true,
        fetch: signer ? signer.wrap(events.fetch, "request") : events.fetch,
      }),
    );
    this.#log = log;
    this.#hangUp = () => events.close();
    this.#delivery = new Delivery((request, signal) => service.record(request, { signal }), log);
    this.#exposer = new Exposer(this.#delivery.outbox);
    this.#follower = new Follower({
      ...settings,
      client: dial(url, signer, timers),
      software,
      sink: { activate: (view) => this.#activate(new Running(this.#running, view)) },
      store: cacheDir === "" ? undefined : new LastGood(cacheDir, log),
      timers,
    });
    this.#follower.load();
    this.#changes = new Changes(() => this.#moment(), log, changed);
    this.#follower.listen(() => this.#changes.notice());
    this.#follower.start();
  }

  ready(timeoutMillis?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // Both keep the process alive, as long as somebody waits.
      const timer =
        timeoutMillis === undefined
          ? setInterval(() => {}, 1 << 30)
          : setTimeout(() => settle(), Math.min(timeoutMillis, 2 ** 31 - 1));
      const settle = () => {
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((each) => each !== settle);
        if (this.#running) {
          resolve();
        } else if (this.#closing) {
          reject(new Error("strata: the client is closed"));
        } else {
          const { error } = this.#follower.status();
          const why = error ? `: ${error.message}` : "";
          reject(
            new Error(`strata: there is no configuration after ${timeoutMillis} ms${why}`, error && { cause: error }),
          );
        }
      };
      if (this.#running || this.#closing) {
        settle();
      } else {
        this.#waiting.push(settle);
      }
    });
  }

  evaluate(service: string, context: Context): Evaluation {
    if (!this.#running) {
      return new Evaluation("NOT_READY");
    }
    try {
      if (typeof context === "object" && context !== null && !Array.isArray(context)) {
        return new Evaluation(new LocallyEvaluated(this.#running, this.#exposer, service, context));
      }
    } catch (error) {
      this.#log.error("a context can not be evaluated", { error });
    }
    return new Evaluation("INVALID_CONTEXT");
  }

  explain(service: string, context: Context): Explanation {
    const rules = this.#running?.rules ?? Ruleset.compile(undefined, create(SnapshotSchema));
    return rules.explain(service, typeof context === "object" && context !== null ? context : {});
  }

  knows(service: string, path: string): boolean {
    // Not all callers have types.
    return typeof path === "string" && (this.#running?.rules.knows(service, path) ?? false);
  }

  onChange(listener: (change: Change) => unknown): () => void {
    return this.#changes.listen(listener);
  }

  status(): Status {
    const { error, faults, staleFor } = this.#follower.status();
    return {
      state: this.#state(),
      epoch: Number(this.#running?.view.position.epoch ?? 0),
      revision: this.#running?.revision ?? 0,
      staleFor,
      error,
      faults: faults.map(({ problem }) => problem),
      dropped: this.#delivery.outbox.dropped,
    };
  }

  record(event: Event): void {
    const { outbox } = this.#delivery;
    if (!this.#running) {
      outbox.drop(1, "before there is a configuration, nobody knows what of an event's context may be sent");
      return;
    }
    const message = this.#messageOf(event, this.#running);
    if (typeof message === "string") {
      outbox.drop(1, message);
    } else {
      outbox.putEvent(message);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const alive = setInterval(() => {}, 1 << 30);
    await Promise.resolve(); // until it is known to be closing
    this.#changes.notice();
    for (const settle of this.#waiting) {
      settle();
    }
    await Promise.all([this.#follower.stop(), this.#delivery.close()]);
    this.#hangUp();
    clearInterval(alive);
  }

  #messageOf(event: Event, { hashKeys }: Running): ReturnType<typeof messageOf> {
    try {
      return messageOf(event, hashKeys);
    } catch {
      return "an event that can not be looked at can not be sent";
    }
  }

  #activate(running: Running): void {
    this.#running = running;
    for (const settle of this.#waiting) {
      settle();
    }
  }

  #moment(): Moment<Ruleset> {
    return { state: this.#state(), rules: this.#running?.rules, revision: this.#running?.revision ?? 0 };
  }

  #state(): State {
    if (this.#closing) {
      return "CLOSED";
    }
    if (!this.#running) {
      return "NOT_READY";
    }
    return this.#follower.status().stale ? "STALE" : "READY";
  }
}
