import { PlaneState } from "../gen/strata/serving/v1/config_pb.js";
import type { Position, View, ViewFault } from "../view.js";

/** How a follower is at a time. */
export interface FollowerStatus {
  /**
   * REJECTED where what was received last does not run, else STALE where nothing was
   * heard for three heartbeats, or ever. It is unspecified before there is anything.
   */
  readonly state: PlaneState;
  /** Where the newest configuration is that was received whole; zero before there is one. */
  readonly replicated: Position;
  /** The configuration that runs, if there is one. */
  readonly active: View | undefined;
  /** Why the replicated configuration does not run; empty if it does. */
  readonly faults: readonly ViewFault[];
  /** Whether nothing was heard for three heartbeats, or ever. */
  readonly stale: boolean;
  /**
   * For how many milliseconds nobody has confirmed that the replicated configuration is
   * the newest; if nobody ever has, for how long that has been so.
   */
  readonly staleFor: number;
  /** Why the last stream has ended, undefined once another one goes well. */
  readonly error: Error | undefined;
}

export { PlaneState };
