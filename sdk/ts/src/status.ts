/**
 * NOT_READY: there is no configuration yet. READY: there is one, and the server is heard.
 * STALE: there is one, and the server was not heard for three heartbeats, or not yet.
 * CLOSED: close was called. A client evaluates in all of them.
 */
export type State = "NOT_READY" | "READY" | "STALE" | "CLOSED";

/** How a client is at a time. */
export interface Status {
  readonly state: State;
  /**
   * Which configuration is evaluated, 0 before there is one. Beyond 2^53 they are rounded,
   * which happens to epochs alone that somebody made by hand.
   */
  readonly epoch: number;
  readonly revision: number;
  /**
   * For how many milliseconds nobody has confirmed that what was received last is the
   * newest configuration; if nobody ever has, since the client was created.
   */
  readonly staleFor: number;
  /** Why the last connection has ended, undefined once another one goes well. */
  readonly error: Error | undefined;
  /**
   * What of the newest revision can not be run, so that the one before it is still
   * evaluated. It is empty if nothing is wrong.
   */
  readonly faults: readonly string[];
  /** How many exposures and events could not be sent, all in all. */
  readonly dropped: number;
}

/** A change of the configuration, of the client's state, or of both. */
export interface Change {
  /** What was evaluated before, and is now; 0 is nothing. */
  readonly revisionBefore: number;
  readonly revisionAfter: number;
  /** As in Status. */
  readonly stateBefore: State;
  readonly stateAfter: State;
  /**
   * What may have other values now, "service.path" for each whole value that some variant
   * sets, in byte order. It is empty if the state alone has changed.
   */
  readonly keys: readonly string[];
}
