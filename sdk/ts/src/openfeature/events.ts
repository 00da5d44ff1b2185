import type { Change, State } from "../status.js";
import type { Source } from "./flags.js";

/** What is told, by the names of OpenFeature. */
export type Told = "PROVIDER_READY" | "PROVIDER_STALE" | "PROVIDER_ERROR" | "PROVIDER_CONFIGURATION_CHANGED";

/** What is told of that. */
export type ToldDetails = {
  readonly message?: string;
  readonly errorCode?: "PROVIDER_FATAL";
  readonly flagsChanged?: string[];
};

/** Why a provider can do nothing any more. */
export const closed = "the client is closed";

const events: Partial<Record<State, Told>> = {
  READY: "PROVIDER_READY",
  STALE: "PROVIDER_STALE",
  CLOSED: "PROVIDER_ERROR",
};

/** Events tells OpenFeature what becomes of a client, between start and end. */
export class Events {
  readonly #source: Source;
  readonly #emit: (event: Told, details: ToldDetails) => void;
  #stop: (() => void) | undefined;
  /** How many calls are under way after which OpenFeature says by itself how the provider is. */
  #pending = 0;
  /** What OpenFeature takes the provider for. */
  #told: Told | undefined;

  constructor(source: Source, emit: (event: Told, details: ToldDetails) => void) {
    this.#source = source;
    this.#emit = emit;
  }

  /** Begins to tell, if it has not yet. */
  start(): void {
    this.#stop ??= this.#source.onChange((change) => this.#take(change));
  }

  /** Ends that. It may be started again. */
  end(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /**
   * Does what OpenFeature waits for, to say then that the provider is ready, or that it is
   * not. What is otherwise is told after that.
   */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#pending++;
    let said: Told = "PROVIDER_ERROR";
    try {
      const result = await work;
      said = "PROVIDER_READY";
      return result;
    } finally {
      setTimeout(() => {
        this.#pending--;
        this.#told = said;
        const is = this.#source.status().state;
        if (said === "PROVIDER_READY" && is !== "READY") {
          this.#become(is);
        }
      });
    }
  }

  #take({ keys, stateBefore, stateAfter }: Change): void {
    if (keys.length > 0 && stateBefore !== "NOT_READY") {
      this.#tell("PROVIDER_CONFIGURATION_CHANGED", { flagsChanged: [...keys] });
    }
    this.#become(stateAfter);
  }

  #become(state: State): void {
    const event = events[state];
    if (event !== undefined && event !== this.#told && this.#pending === 0) {
      this.#told = event;
      this.#tell(event, state === "CLOSED" ? { message: closed, errorCode: "PROVIDER_FATAL" } : {});
    }
  }

  #tell(event: Told, details: ToldDetails): void {
    if (this.#stop) {
      this.#emit(event, details);
    }
  }
}
