import type { Context, Explanation } from "../engine/types.js";
import type { Evaluation } from "../evaluation.js";
import type { Event } from "../event.js";
import type { Change, Status } from "../status.js";
import { Core } from "./core.js";
import { type Config, resolve } from "./settings.js";
import { defaultTimes } from "./times.js";

/**
 * Client answers which parameters a user gets, as a data plane has evaluated. It holds
 * what was answered for the contexts used last, and asks again when it is told of a
 * change, until it is closed.
 */
export class Client {
  readonly #core: Core;

  /** What it throws names everything that is wrong with the settings; after that nothing throws. */
  constructor(config: Config) {
    this.#core = new Core(resolve(config), defaultTimes);
  }

  /**
   * Resolves once there is an answer for a context: that of the settings, or one that was
   * loaded or evaluated. It rejects after so many milliseconds without one, with what is
   * wrong, or when the client is closed. The client goes on trying.
   */
  ready(timeoutMillis?: number): Promise<void> {
    return this.#core.ready(timeoutMillis);
  }

  /**
   * Has a context evaluated, unless there is an answer, and resolves when it can be read.
   * It rejects after so many milliseconds without one, with what is wrong, if the server
   * does not take the context, or when the client is closed. The client goes on trying.
   */
  load(context: Context, timeoutMillis?: number): Promise<void> {
    return this.#core.load(context, timeoutMillis);
  }

  /**
   * Returns what a service gets in a context. It never throws and never waits: where there
   * is no answer yet, the defaults that the code gives count, with NOT_READY as the reason,
   * and the context is asked for. A change tells when there is an answer.
   */
  evaluate(service: string, context: Context): Evaluation {
    return this.#core.evaluate(service, context);
  }

  /**
   * Says why, as far as devices are told: which layers matched, and what they have set.
   * Priorities and ranges are 0, and rules and what was hidden are left out.
   */
  explain(service: string, context: Context): Explanation {
    return this.#core.explain(service, context);
  }

  /**
   * Reports whether experiments that users of this page take part in set anything at a
   * path; for the empty path, whether the service is one of the settings. Of other
   * experiments devices are told nothing. It records no exposure.
   */
  knows(service: string, path: string): boolean {
    return this.#core.knows(service, path);
  }

  /**
   * Has a function called after each change from now on, until what is returned is called.
   * Changes that come at once are told of as one; the last one tells of the closing.
   */
  onChange(listener: (change: Change) => unknown): () => void {
    return this.#core.onChange(listener);
  }

  /**
   * Returns how the client is. It is STALE when for 45 s nobody has confirmed that what it
   * answers is the newest.
   */
  status(): Status {
    return this.#core.status();
  }

  /**
   * Has an event sent, soon. One that breaks a limit, or has nobody whom a layer is known
   * to hash, is dropped, and the status counts it. Layers are known that matched somebody.
   */
  record(event: Event): void {
    this.#core.record(event);
  }

  /**
   * Stops asking, and resolves when the exposures and events that are left were sent, or
   * 5 s are over. It never rejects. Contexts that were answered still are.
   */
  close(): Promise<void> {
    return this.#core.close();
  }
}
