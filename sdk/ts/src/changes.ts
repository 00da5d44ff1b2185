import type { Log } from "./log.js";
import type { Change, State } from "./status.js";

/** What a Change leads from and to. */
export interface Moment<Rules> {
  readonly state: State;
  readonly rules: Rules | undefined;
  /** Of the rules, 0 for none. */
  readonly revision: number;
}

/** Changes tells those who listen how moments differ. Moments that come at once are told of as one. */
export class Changes<Rules> {
  readonly #moment: () => Moment<Rules>;
  readonly #log: Log;
  readonly #changed: (before: Rules | undefined, after: Rules | undefined) => string[];
  readonly #listeners = new Set<(change: Change) => unknown>();
  #told: Moment<Rules>;
  #due = false;

  /** moment returns the one that is now, and changed what differs in rules: see Change.keys. */
  constructor(
    moment: () => Moment<Rules>,
    log: Log,
    changed: (before: Rules | undefined, after: Rules | undefined) => string[],
  ) {
    this.#moment = moment;
    this.#log = log;
    this.#changed = changed;
    this.#told = moment();
  }

  /** Has a function called after each change from now on, until what it returns is called. */
  listen(listener: (change: Change) => unknown): () => void {
    const added = (change: Change) => listener(change);
    this.#listeners.add(added);
    return () => this.#listeners.delete(added);
  }

  /** Says that there may be a change. */
  notice(): void {
    if (!this.#due) {
      this.#due = true;
      queueMicrotask(() => this.#tell());
    }
  }

  #tell(): void {
    this.#due = false;
    const before = this.#told;
    const after = this.#moment();
    if (before.state === "CLOSED" || (after.state === before.state && after.rules === before.rules)) {
      return;
    }
    this.#told = after;
    if (this.#listeners.size === 0) {
      return;
    }
    const change: Change = {
      revisionBefore: before.revision,
      revisionAfter: after.revision,
      stateBefore: before.state,
      stateAfter: after.state,
      keys: after.rules === before.rules ? [] : this.#changed(before.rules, after.rules),
    };
    for (const listener of this.#listeners) {
      // What goes wrong there is no reason not to tell the others.
      void Promise.resolve()
        .then(() => (this.#listeners.has(listener) ? listener(change) : undefined))
        .catch((error: unknown) => {
          this.#log.error("a listener of changes has failed", { error });
        });
    }
  }
}
