import type { Ending } from "./ending.js";
import type { Timers } from "./timers.js";

/** What comes after an ending. */
export interface Next {
  /** In milliseconds. */
  readonly wait: number;
  /** Says to fetch, and not to stream. */
  readonly polls: boolean;
}

/** Pace decides when to come back, and how, after a stream has ended. */
export class Pace {
  /** Says that the next stream has to bring everything. */
  anew = false;
  readonly #timers: Timers;
  readonly #random: () => number;
  /** Counts endings since the last stream that has lasted. */
  #failures = 0;
  /** Says that the last stream has lost something, and nothing has come right since. */
  #lost = false;
  /** When everything was asked for last, and an answer had begun. */
  #lastAnew: number | undefined;

  constructor(timers: Timers, random: () => number = Math.random) {
    this.#timers = timers;
    this.#random = random;
  }

  next(ending: Ending, now: number): Next {
    if (ending.lasted >= this.#timers.healthy) {
      this.#failures = 0;
    }
    if (ending.settled) {
      this.anew = false;
      this.#lost = false;
    }
    if (ending.anew && ending.answered) {
      this.#lastAnew = now - ending.lasted;
    }
    switch (ending.cause) {
      case "mute":
        return { wait: 0, polls: true };
      case "due":
        return { wait: 0, polls: false };
      case "window":
        return { wait: ending.least + this.#below(ending.most - ending.least), polls: false };
      case "behind":
        this.anew = false; // what is held is right; it is this server that lacks it
        break;
      case "doubtful":
        this.anew = true;
        break;
      case "missed":
        this.anew ||= this.#lost;
        this.#lost = true;
        break;
      default:
    }
    const longest = ending.cause === "refused" ? this.#timers.refusedWait : this.#timers.longestWait;
    let wait = this.#below(this.#backoff(longest));
    if (this.anew && this.#lastAnew !== undefined) {
      wait = Math.max(wait, this.#timers.anew - (now - this.#lastAnew));
    }
    return { wait, polls: false };
  }

  /** Returns the longest wait after another failure. */
  #backoff(longest: number): number {
    const wait = this.#timers.firstWait * 2 ** Math.min(this.#failures, 30);
    this.#failures++;
    return Math.min(wait, longest);
  }

  /** Returns a random time of at least zero, and at most another one. */
  #below(most: number): number {
    return Math.max(0, most) * this.#random();
  }
}
