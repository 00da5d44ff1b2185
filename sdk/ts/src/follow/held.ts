import { after, now } from "../clock.js";
import { PlaneState } from "../gen/strata/serving/v1/config_pb.js";
import type { Content, LastGood } from "../lastgood.js";
import type { Log } from "../log.js";
import { comparePositions, positionText, sameBytes, View, type ViewFault, ViewFaults, zeroPosition } from "../view.js";
import type { Ending } from "./ending.js";
import type { FollowerStatus } from "./status.js";
import { defaultHeartbeat, patience } from "./timers.js";

/** What a follower hands over to. */
export interface Sink {
  /**
   * Makes a configuration the one that runs. If it can not be run, the one before goes
   * on, and what is thrown, ViewFaults, says why; the next one is tried as usual.
   */
  activate(view: View): void;
}

/** A stream that has begun, or a time of fetching. Times are in milliseconds. */
export interface Link {
  /** Its name, empty if fetched. */
  readonly stream: string;
  readonly fetched: boolean;
  /** When it began. */
  readonly since: number;
  readonly heartbeat: number;
  readonly report: number;
}

export interface HeldOptions {
  readonly sink: Sink;
  readonly store: LastGood | undefined;
  readonly log: Log;
  /** The server, as the store knows it. */
  readonly upstream: string;
  /** Empty as long as only the server knows. */
  readonly environment: string;
  readonly services: readonly string[];
}

/** Held is what a follower has and knows. */
export class Held {
  readonly #options: HeldOptions;
  readonly #born = now();
  /** As servers name it, empty if none has. */
  #environment: string;
  #replicated = View.empty;
  /** To go on from the replicated configuration. */
  #token: Uint8Array = new Uint8Array();
  #active: View | undefined;
  #activeToken: Uint8Array = new Uint8Array();
  /** Of the replicated configuration, if it is not active. */
  #faults: readonly ViewFault[] = [];
  #link: Link | undefined;
  #problem: Error | undefined;
  #heard: number | undefined;
  /** As the server has said last. */
  #beat = defaultHeartbeat;
  #confirmed: number | undefined;
  #cancelSilence = () => {};
  readonly #listeners: (() => void)[] = [];

  constructor(options: HeldOptions) {
    this.#options = options;
    this.#environment = options.environment;
  }

  /** The replicated configuration, which may be empty. */
  get current(): View {
    return this.#replicated;
  }

  get resumeToken(): Uint8Array {
    return this.#token;
  }

  /** The stream to report for, undefined where there is nothing to report. */
  get reportable(): Link | undefined {
    return isZero(this.#replicated) ? undefined : this.#link;
  }

  /** Has a function called at each change of what status returns, but for times. */
  listen(listener: () => void): void {
    this.#listeners.push(listener);
  }

  status(): FollowerStatus {
    return {
      state: this.#state(),
      replicated: this.#replicated.position,
      active: this.#active,
      faults: this.#faults,
      stale: this.#isStale(),
      staleFor: now() - (this.#confirmed ?? this.#born),
      error: this.#problem,
    };
  }

  /** Returns what is wrong with the environment that a server has, undefined if nothing. */
  join(served: string): string | undefined {
    if (this.#environment !== "" && served !== this.#environment) {
      return `the server sends the environment "${served}", followed is "${this.#environment}"`;
    }
    if (served === "") {
      return "the server does not say which environment it sends";
    }
    this.#environment = served;
    return undefined;
  }

  opened(link: Link): void {
    const before = this.#link;
    this.#link = before?.fetched && link.fetched ? { ...link, since: before.since } : link; // one time of fetching
    this.#beat = link.heartbeat;
    this.#signal();
  }

  ended(ending: Ending): void {
    this.#link = undefined;
    if (ending.cause !== "due") {
      this.#problem = ending.error;
    }
    this.#signal();
  }

  /** Notes that something valid has come. */
  hear(heartbeat: number): void {
    const was = this.#isStale();
    this.#heard = now();
    this.#cancelSilence();
    // Timers of Node are early by up to a millisecond, by the clock of now().
    this.#cancelSilence = after(patience * heartbeat + 1, () => this.#signal());
    if (was) {
      this.#signal();
    }
  }

  /** Ends what would go on in the background. */
  stop(): void {
    this.#link = undefined;
    this.#cancelSilence();
    this.#signal();
  }

  /** Notes that so many milliseconds ago the replicated configuration was the newest. */
  confirm(ago: number): void {
    const news = this.#problem !== undefined || this.#confirmed === undefined;
    this.#confirmed = Math.max(now() - ago, this.#confirmed ?? -Infinity);
    this.#problem = undefined;
    if (news) {
      this.#signal();
    }
  }

  /** Takes a configuration over that was received whole. */
  take(view: View, token: Uint8Array): void {
    const current = this.#replicated;
    if (comparePositions(view.position, current.position) === 0 && sameBytes(view.hash, current.hash)) {
      this.#token = token;
      if (this.#active === current) {
        this.#activeToken = token;
      }
      return;
    }
    const faults = this.#activate(view);
    this.#replicated = view;
    this.#token = token;
    this.#faults = faults;
    this.#problem = undefined;
    if (faults.length === 0) {
      this.#active = view;
      this.#activeToken = token;
      this.#keep();
    }
    this.#signal();
  }

  /** Takes over what was kept, and reports whether it runs. */
  restore(content: Content): boolean {
    this.#faults = this.#activate(content.view);
    this.#replicated = content.view;
    this.#token = content.token;
    if (this.#faults.length === 0) {
      this.#active = content.view;
      this.#activeToken = content.token;
    }
    this.#signal();
    return this.#faults.length === 0;
  }

  /** Returns no faults if a configuration runs. */
  #activate(view: View): readonly ViewFault[] {
    const position = positionText(view.position);
    try {
      this.#options.sink.activate(view);
    } catch (error) {
      this.#options.log.error("a configuration can not be run, the one before goes on", { position, error });
      return error instanceof ViewFaults && error.faults.length > 0
        ? error.faults
        : [{ key: undefined, problem: String(error) }];
    }
    this.#options.log.info("a configuration is active", { position, entities: view.size });
    return [];
  }

  /** Has the active configuration written. */
  #keep(): void {
    if (this.#active) {
      this.#options.store?.put({
        upstream: this.#options.upstream,
        environment: this.#options.environment,
        services: this.#options.services,
        view: this.#active,
        token: this.#activeToken,
      });
    }
  }

  #state(): PlaneState {
    if (isZero(this.#replicated)) {
      return PlaneState.UNSPECIFIED;
    }
    if (this.#faults.length > 0) {
      return PlaneState.REJECTED;
    }
    return this.#isStale() ? PlaneState.STALE : PlaneState.SYNCED;
  }

  #isStale(): boolean {
    return this.#heard === undefined || now() - this.#heard >= patience * this.#beat;
  }

  #signal(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

function isZero(view: View): boolean {
  return comparePositions(view.position, zeroPosition) === 0;
}
