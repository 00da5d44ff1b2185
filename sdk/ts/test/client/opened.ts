import { onTestFinished } from "vitest";

import { Core } from "../../src/core.js";
import { defaultTimers, type Timers } from "../../src/follow/timers.js";
import { type Config, resolve } from "../../src/settings.js";
import type { Status } from "../../src/status.js";
import { secretKey } from "./planes.js";
import { signal } from "./servers.js";

/** Opens a client of the environment "test" with a key, which comes back soon after failures. It ends with the test. */
export function open(config: Config, timers: Partial<Timers> = {}): Core {
  const all = { url: "http://127.0.0.1:1", environment: "test", secretKey, ...config };
  const soon = { ...defaultTimers, firstWait: 20, longestWait: 50, refusedWait: 50, ...timers };
  const core = new Core(resolve(all, {}), soon);
  onTestFinished(() => core.close());
  return core;
}

/** Resolves once the status is as is wanted, which changes tell of. */
export function until(core: Core, wanted: (status: Status) => boolean): Promise<Status> {
  const { promise, resolve: done } = signal<Status>();
  const look = () => {
    const status = core.status();
    if (wanted(status)) {
      stop();
      done(status);
    }
  };
  const stop = core.onChange(look);
  look();
  return promise;
}
