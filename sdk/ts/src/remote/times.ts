/** Times of a client in a browser, in milliseconds. They differ from {@link defaultTimes} in tests alone. */
export interface Times {
  /** How often is looked what is due. */
  readonly tick: number;
  /** How often is asked again while a stream tells of changes, as one that is dead looks like one that is silent. */
  readonly check: number;
  /** How often is asked again without a stream. */
  readonly poll: number;
  /** From when on what nobody has confirmed is stale. */
  readonly stale: number;
  /** The least between answers and the next question that nobody waits for. */
  readonly calm: number;
  /** About how long is waited after a first failure. It doubles with each one, up to longestPause. */
  readonly firstPause: number;
  readonly longestPause: number;
}

export const defaultTimes: Times = {
  tick: 5000,
  check: 300_000,
  poll: 30_000,
  stale: 45_000,
  calm: 1000,
  firstPause: 500,
  longestPause: 60_000,
};
