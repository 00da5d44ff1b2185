import { expect, test } from "vitest";

import { Changes, type Moment } from "../../src/changes.js";
import { safe } from "../../src/log.js";
import type { Change } from "../../src/status.js";

/** Returns changes of a moment that can be set. */
function changing() {
  const logged: string[] = [];
  const log = safe({ debug() {}, info() {}, warn() {}, error: (message) => logged.push(message) });
  let now: Moment<never> = { state: "NOT_READY", rules: undefined, revision: 0 };
  const changes = new Changes(
    () => now,
    log,
    () => [],
  );
  const set = (state: Moment<never>["state"]) => {
    now = { ...now, state };
    changes.notice();
  };
  return { changes, set, logged };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("changes that come at once are told of as one, and no change is not told of", async () => {
  const { changes, set } = changing();
  const told: Change[] = [];
  changes.listen((change) => told.push(change));
  set("READY");
  set("STALE");
  await settled();
  set("STALE");
  await settled();
  expect(told).toEqual([
    { revisionBefore: 0, revisionAfter: 0, stateBefore: "NOT_READY", stateAfter: "STALE", keys: [] },
  ]);
});

test("closing is the last one that is told of", async () => {
  const { changes, set } = changing();
  const told: string[] = [];
  changes.listen(({ stateAfter }) => told.push(stateAfter));
  for (const state of ["READY", "CLOSED", "STALE"] as const) {
    set(state);
    await settled();
  }
  expect(told).toEqual(["READY", "CLOSED"]);
});

test("one who has left meanwhile is not told", async () => {
  const { changes, set } = changing();
  const told: string[] = [];
  const leaving: (() => void)[] = [];
  changes.listen(() => leaving.forEach((leave) => leave()));
  leaving.push(changes.listen(() => told.push("left")));
  set("READY");
  await settled();
  expect(told).toEqual([]);
});

test("one who fails keeps nobody from being told, and one who has left is not", async () => {
  const { changes, set, logged } = changing();
  const told: string[] = [];
  changes.listen(() => {
    throw new Error("of the listener");
  });
  changes.listen(() => Promise.reject(new Error("of the listener")));
  changes.listen(() => told.push("stays"));
  const leave = changes.listen(() => told.push("leaves"));
  set("READY");
  await settled();
  leave();
  set("STALE");
  await settled();
  expect(told).toEqual(["stays", "leaves", "stays"]);
  expect(logged.length).toBe(4);
});
