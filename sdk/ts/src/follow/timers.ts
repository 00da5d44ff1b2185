/** Times of a follower, in milliseconds. They differ from {@link defaultTimers} in tests alone. */
export interface Timers {
  /**
   * How long a stream may take to begin. A proxy that buffers may be why it takes
   * longer, so that the configuration is fetched. Servers that are behind wait for a few
   * seconds before they say so, and have to be heard. To connect may take half of it, so
   * that a server that is not there is not taken for one behind such a proxy.
   */
  readonly hello: number;
  /** How long the answer to a report may take. */
  readonly answer: number;
  /** How long a fetch may take as a whole. */
  readonly fetch: number;
  /** For about how long the configuration is fetched before a stream is tried again. */
  readonly watchAgain: number;
  /** The longest wait after a first failure. It doubles with each one, up to longestWait. */
  readonly firstWait: number;
  /** The longest wait after a failure. */
  readonly longestWait: number;
  /** The longest wait where the key is refused. */
  readonly refusedWait: number;
  /** How long a stream has to last to make up for failures. */
  readonly healthy: number;
  /** The shortest time between whole configurations that are asked for since what came was not right. */
  readonly anew: number;
}

export const defaultTimers: Timers = {
  hello: 10_000,
  answer: 10_000,
  fetch: 60_000,
  watchAgain: 180_000,
  firstWait: 500,
  longestWait: 30_000,
  refusedWait: 300_000,
  healthy: 60_000,
  anew: 30_000,
};

/** What counts where a server has said nothing yet. */
export const defaultHeartbeat = 15_000;
/** Bounds what a server can say, as its silence is measured by it. */
export const maxHeartbeat = 300_000;
/** How many heartbeats may be missing. */
export const patience = 3;

/** Returns a time that a server has said, between limits. */
export function bounded(millis: number, least: number, most: number): number {
  return Math.min(Math.max(millis, least), most);
}
