// Time, as the client uses it. Nothing here keeps a process alive.

/** Returns milliseconds of a clock that is never set. */
export function now(): number {
  return performance.now();
}

/** Calls a function after so many milliseconds, unless what it returns was called before. */
export function after(millis: number, call: () => void): () => void {
  const timer: unknown = setTimeout(call, millis);
  // In browsers a timer is a number, and keeps nothing alive.
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function") {
    timer.unref();
  }
  return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
}

/** Resolves after so many milliseconds, or as soon as a signal is aborted. It never rejects. */
export function sleep(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || millis <= 0) {
      resolve();
      return;
    }
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = after(millis, end);
    signal.addEventListener("abort", end);
  });
}

/** Waker is what one waits for, and others end. */
export class Waker {
  #woken = false;
  #end = () => {};

  /** Ends the wait, or the next one if nobody waits. */
  wake(): void {
    this.#woken = true;
    this.#end();
  }

  /** Resolves after so many milliseconds, for ever if none are given, or once it is woken. */
  wait(millis?: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = millis === undefined ? () => {} : after(millis, () => this.#end());
      this.#end = () => {
        cancel();
        this.#woken = false;
        this.#end = () => {};
        resolve();
      };
      if (this.#woken) {
        this.#end();
      }
    });
  }
}

/** Returns a random time around another one, in milliseconds. */
export function jittered(millis: number): number {
  return millis * (0.75 + Math.random() / 2);
}
