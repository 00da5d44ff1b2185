import { Core } from "./core.js";
import type { Context, Explanation } from "./engine/index.js";
import type { Evaluation } from "./evaluation.js";
import type { Event } from "./event.js";
import { defaultTimers } from "./follow/timers.js";
import { type Config, resolve } from "./settings.js";
import type { Change, Status } from "./status.js";

/**
 * Client answers which parameters users get, from a copy of an environment's
 * configuration in the process. It follows the environment until it is closed, and does
 * not keep the process alive meanwhile. A process needs one for each environment.
 */
export class Client {
  readonly #core: Core;

  /**
   * Begins to follow. It waits for no server; what is in the cache folder is there at
   * once. What it throws names everything that is wrong with the settings; after that
   * nothing throws.
   */
  constructor(config: Config = {}) {
    this.#core = new Core(resolve(config), defaultTimers);
  }

  /**
   * Resolves once there is a configuration, from a server or from the disk. It rejects
   * after so many milliseconds without one, with what is wrong, or when the client is
   * closed. The client goes on trying, and evaluates meanwhile.
   */
  ready(timeoutMillis?: number): Promise<void> {
    return this.#core.ready(timeoutMillis);
  }

  /**
   * Returns what a service gets in a context, which must not be changed while that is
   * read. It never throws and never waits; where there is nothing to answer with, the
   * defaults that the code gives count.
   */
  evaluate(service: string, context: Context): Evaluation {
    return this.#core.evaluate(service, context);
  }

  /**
   * Evaluates and says why, layer by layer. It costs many times as much, and records no
   * exposure. Before there is a configuration it explains an empty one.
   */
  explain(service: string, context: Context): Explanation {
    return this.#core.explain(service, context);
  }

  /**
   * Reports whether a variant of the service sets anything at a path; for the empty path,
   * whether the service has variants at all. It records no exposure.
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

  /** Returns how the client is. */
  status(): Status {
    return this.#core.status();
  }

  /**
   * Has an event sent, soon. One that breaks a limit, has nobody whom a layer hashes, or
   * comes before there is a configuration to say whom layers hash, is dropped, and the
   * status counts it.
   */
  record(event: Event): void {
    this.#core.record(event);
  }

  /**
   * Stops following, and resolves when the exposures and events that are left were sent,
   * or 5 s are over. It never rejects. Evaluations go on with what there is, but record
   * nothing. To close again waits for the same.
   */
  close(): Promise<void> {
    return this.#core.close();
  }
}
