import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Delivery } from "../../src/delivery.js";
import {
  EventSchema,
  ExposureSchema,
  type RecordRequest,
  RecordResponseSchema,
} from "../../src/gen/strata/serving/v1/event_pb.js";
import { safe } from "../../src/log.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1); // each pause as long as it may be
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** What became of one batch that was sent. */
type Answer = "taken" | "refused" | "never" | Error;

/** Returns a delivery whose server answers as is said, and in the end takes everything. */
function deliver(...answers: Answer[]) {
  const requests: RecordRequest[] = [];
  const delivery = new Delivery((request, signal) => {
    requests.push(request);
    const answer = answers.shift() ?? "taken";
    if (answer === "never") {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new ConnectError("aborted", Code.Canceled)));
      });
    }
    if (answer instanceof Error) {
      return Promise.reject(answer);
    }
    const refusals = answer === "refused" ? [{ insertId: "1", problem: "exposures[0]: no" }] : [];
    return Promise.resolve(create(RecordResponseSchema, { refusals }));
  }, safe(undefined));
  const put = (count: number) => {
    for (let i = 0; i < count; i++) {
      delivery.outbox.putExposure(create(ExposureSchema, { service: "s", key: `user-${i}`, eid: 1, vid: 2 }));
    }
  };
  const sizes = () => requests.map((request) => request.exposures.length + request.events.length);
  return { delivery, put, requests, sizes };
}

const unavailable = () => new ConnectError("down", Code.Unavailable);

test("a batch is sent 5 s after its first entry", async () => {
  const { delivery, put, sizes, requests } = deliver();
  put(2);
  await vi.advanceTimersByTimeAsync(3000);
  put(1);
  await vi.advanceTimersByTimeAsync(1999);
  expect(sizes()).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(sizes()).toEqual([3]);
  delivery.outbox.putEvent(create(EventSchema, { name: "checkout", units: { user_id: "u" } }));
  await vi.advanceTimersByTimeAsync(5000);
  expect(sizes()).toEqual([3, 1]);
  expect(requests[0]?.client).toMatch(/^strata-ts\/\d/);
  await delivery.close();
});

test("500 are sent at once, in order, each with an id and a time of its own", async () => {
  const { delivery, put, sizes, requests } = deliver();
  put(1201);
  await vi.advanceTimersByTimeAsync(0);
  expect(sizes()).toEqual([500, 500]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(sizes()).toEqual([500, 500, 201]);
  const all = requests.flatMap((request) => request.exposures);
  expect(all.map(({ key }) => key)).toEqual(Array.from({ length: 1201 }, (_, i) => `user-${i}`));
  expect(new Set(all.map(({ insertId }) => insertId)).size).toBe(1201);
  expect(all.every(({ insertId, time }) => insertId.length <= 64 && time !== undefined)).toBe(true);
  await delivery.close();
});

test("a batch has at most about a mebibyte", async () => {
  const { delivery, sizes } = deliver();
  for (let i = 0; i < 100; i++) {
    delivery.outbox.putEvent(create(EventSchema, { name: "large", properties: { text: "x".repeat(16_000) } }));
  }
  await delivery.close();
  expect(sizes().length).toBe(2);
  expect(sizes().reduce((sum, n) => sum + n)).toBe(100);
});

test("what could not be sent is tried again, the same, with growing pauses", async () => {
  const { delivery, put, sizes, requests } = deliver(unavailable(), unavailable(), new TypeError("no network"));
  put(500);
  await vi.advanceTimersByTimeAsync(0);
  expect(sizes()).toEqual([500]);
  for (const pause of [500, 1000, 2000]) {
    const before = requests.length;
    await vi.advanceTimersByTimeAsync(pause - 1);
    expect(requests.length).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(requests.length).toBe(before + 1);
  }
  const ids = requests.map((request) => request.exposures.map(({ insertId }) => insertId).join());
  expect(new Set(ids).size).toBe(1);
  expect(delivery.outbox.dropped).toBe(0);
  await delivery.close();
  expect(requests.length).toBe(4);
});

test("pauses grow to a minute, and no further", async () => {
  const { delivery, put, requests } = deliver(...Array.from({ length: 40 }, unavailable));
  put(500);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  const before = requests.length;
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(requests.length - before).toBe(10);
  const closed = delivery.close();
  await vi.advanceTimersByTimeAsync(5000);
  await closed;
});

test("10,000 wait at most, and what is more is dropped and counted", async () => {
  const { delivery, put, sizes } = deliver(unavailable());
  put(10_002);
  expect(delivery.outbox.putExposure(create(ExposureSchema))).toBe(false);
  expect(delivery.outbox.dropped).toBe(3);
  await vi.advanceTimersByTimeAsync(500);
  expect(sizes().reduce((sum, n) => sum + n)).toBe(500 + 10_000);
  await delivery.close();
  expect(delivery.outbox.dropped).toBe(3);
});

test("what the server refuses is counted, and not sent again", async () => {
  const { delivery, put, sizes } = deliver("refused", new ConnectError("no", Code.InvalidArgument));
  put(1);
  await vi.advanceTimersByTimeAsync(5000);
  expect(delivery.outbox.dropped).toBe(1);
  put(4);
  await vi.advanceTimersByTimeAsync(5000);
  expect(sizes()).toEqual([1, 4]);
  expect(delivery.outbox.dropped).toBe(5);
  await delivery.close();
});

test("an answer that does not come is given up after 10 s", async () => {
  const { delivery, put, sizes } = deliver("never");
  put(500);
  await vi.advanceTimersByTimeAsync(9999);
  expect(sizes()).toEqual([500]);
  await vi.advanceTimersByTimeAsync(501);
  expect(sizes()).toEqual([500, 500]);
  await delivery.close();
});

test("close sends what is left at once", async () => {
  const { delivery, put, sizes } = deliver();
  put(700);
  await delivery.close();
  expect(sizes()).toEqual([500, 200]);
  put(1);
  expect(delivery.outbox.dropped).toBe(1);
});

test("close ends a pause", async () => {
  const { delivery, put, sizes } = deliver(...Array.from({ length: 8 }, unavailable));
  put(500);
  await vi.advanceTimersByTimeAsync(500 + 1000 + 2000 + 4000 + 8000 + 16_000);
  expect(sizes().length).toBe(7);
  const closed = delivery.close();
  await vi.advanceTimersByTimeAsync(500);
  await closed;
  expect(sizes().length).toBe(9);
  expect(delivery.outbox.dropped).toBe(0);
});

test("close gives up after 5 s, and counts what is lost", async () => {
  const { delivery, put } = deliver("never");
  put(7);
  const closed = delivery.close();
  await vi.advanceTimersByTimeAsync(5000);
  await closed;
  expect(delivery.outbox.dropped).toBe(7);
  expect(vi.getTimerCount()).toBe(0);
});
