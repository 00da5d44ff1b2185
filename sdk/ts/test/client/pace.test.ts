import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";

import { type Cause, end, endOf, endOfGoodbye, type Ending } from "../../src/follow/ending.js";
import { Pace } from "../../src/follow/pace.js";
import { defaultTimers } from "../../src/follow/timers.js";
import { Goodbye_Reason, GoodbyeSchema } from "../../src/gen/strata/serving/v1/config_pb.js";

function ending(cause: Cause, more: Partial<Ending> = {}): Ending {
  return { ...end(cause), lasted: 0, answered: false, anew: false, settled: false, ...more };
}

/** Waits as long as it may. */
const longest = () => new Pace(defaultTimers, () => 1);

test("waits grow, are bounded, and begin anew after a stream that has lasted", () => {
  const pace = longest();
  const waits = Array.from({ length: 9 }, () => pace.next(ending("broken"), 0).wait);
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(pace.next(ending("broken", { lasted: 59_999 }), 0).wait).toBe(30_000);
  expect(pace.next(ending("broken", { lasted: 60_000 }), 0).wait).toBe(500);
});

test("waits are random", () => {
  const least = new Pace(defaultTimers, () => 0);
  expect(least.next(ending("broken"), 0).wait).toBe(0);
  const pace = new Pace(defaultTimers);
  for (let i = 0; i < 20; i++) {
    pace.next(ending("broken"), 0);
  }
  const waits = Array.from({ length: 50 }, () => pace.next(ending("broken"), 0).wait);
  expect(new Set(waits).size).toBeGreaterThan(40);
  expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
});

test("a refused key waits for longer", () => {
  const pace = longest();
  const waits = Array.from({ length: 12 }, () => pace.next(ending("refused"), 0).wait);
  expect(waits.at(-1)).toBe(300_000);
});

test("a stream that does not begin has the configuration fetched, and a stream tried again when that is due", () => {
  const pace = longest();
  expect(pace.next(ending("mute"), 0)).toEqual({ wait: 0, polls: true });
  expect(pace.next(ending("due"), 0)).toEqual({ wait: 0, polls: false });
});

test("a server says when to come back", () => {
  expect(longest().next(ending("window", { least: 2000, most: 7000 }), 0).wait).toBe(7000);
  expect(new Pace(defaultTimers, () => 0).next(ending("window", { least: 2000, most: 7000 }), 0).wait).toBe(2000);
});

test("doubt has everything sent anew, at most every 30 s", () => {
  const pace = longest();
  pace.next(ending("doubtful", { answered: true }), 1000);
  expect(pace.anew).toBe(true);
  expect(pace.next(ending("doubtful", { answered: true, anew: true }), 2000).wait).toBe(30_000);
  expect(pace.next(ending("broken"), 12_000).wait).toBe(20_000);
  expect(pace.next(ending("broken", { settled: true, anew: true, answered: true }), 40_000).wait).toBe(4000);
  expect(pace.anew).toBe(false);
});

test("what was missed twice is sent anew, and what a server lacks is not", () => {
  const pace = longest();
  pace.next(ending("missed"), 0);
  expect(pace.anew).toBe(false);
  pace.next(ending("missed"), 0);
  expect(pace.anew).toBe(true);
  pace.next(ending("behind"), 0);
  expect(pace.anew).toBe(false);
});

function infoOf(reason: string, metadata: Record<string, string> = {}, domain = "strata") {
  const writer = new BinaryWriter().tag(1, 2).string(reason).tag(2, 2).string(domain);
  for (const [key, value] of Object.entries(metadata)) {
    writer.tag(3, 2).fork().tag(1, 2).string(key).tag(2, 2).string(value).join();
  }
  return { type: "google.rpc.ErrorInfo", value: writer.finish() };
}

function failure(code: Code, ...details: ReturnType<typeof infoOf>[]) {
  const error = new ConnectError("no", code);
  error.details = details;
  return error;
}

const soon = { retry_min_millis: "1000", retry_max_millis: "9000" };

test.each([
  ["no key", failure(Code.Unauthenticated), "refused"],
  ["no permission", failure(Code.PermissionDenied), "refused"],
  ["no connection", new TypeError("fetch failed"), "broken"],
  ["no server", failure(Code.Unavailable), "broken"],
  ["a server behind", failure(Code.Unavailable, infoOf("ERROR_REASON_BEHIND")), "behind"],
  ["somebody else's reason", failure(Code.Unavailable, infoOf("ERROR_REASON_BEHIND", {}, "other")), "broken"],
  ["a crowd", failure(Code.ResourceExhausted, infoOf("ERROR_REASON_OVERLOADED", soon)), "window"],
  ["a crowd without a time", failure(Code.ResourceExhausted, infoOf("ERROR_REASON_OVERLOADED")), "broken"],
  [
    "details that can not be read",
    failure(Code.Unavailable, { type: "google.rpc.ErrorInfo", value: Uint8Array.of(10, 99) }),
    "broken",
  ],
] as const)("%s", (_, error, cause) => {
  const { least, most, ...got } = endOf(error);
  expect(got.cause).toBe(cause);
  expect([least, most]).toEqual(cause === "window" ? [1000, 9000] : [0, 0]);
});

const said = (reason: Goodbye_Reason, retryMinMillis: number, retryMaxMillis: number) =>
  endOfGoodbye(create(GoodbyeSchema, { reason, retryMinMillis, retryMaxMillis }));

test("a goodbye says when, for ten minutes at most, or that the key is gone", () => {
  expect(said(Goodbye_Reason.DRAIN, 100, 10_000)).toMatchObject({ cause: "window", least: 100, most: 10_000 });
  expect(said(Goodbye_Reason.DRAIN, -5, 2_000_000_000)).toMatchObject({ cause: "window", least: 0, most: 600_000 });
  expect(said(Goodbye_Reason.DRAIN, 0, 0).cause).toBe("broken");
  expect(said(Goodbye_Reason.REVOKED, 100, 10_000).cause).toBe("refused");
});
