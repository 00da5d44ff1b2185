import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { safe } from "../../src/log.js";
import { Refused } from "../../src/remote/plane.js";
import { Sender } from "../../src/remote/sender.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A sender, with what it has sent and how that is answered. */
function sending() {
  const sent: { ids: string[]; goes: boolean }[] = [];
  const state = { answer: (): number => 0, sent };
  const sender = new Sender((batch, _, goes) => {
    const { exposures, events } = JSON.parse(batch) as Record<"exposures" | "events", { insert_id: string }[]>;
    sent.push({ ids: [...exposures, ...events].map((entry) => entry.insert_id), goes });
    return new Promise((resolve) => resolve(state.answer()));
  }, safe(undefined));
  return Object.assign(state, { sender });
}

test("what can not be sent is sent again, as it was", async () => {
  const state = sending();
  state.answer = () => {
    throw new Error("nobody is there");
  };
  state.sender.put("exposures", { vid: 1 });
  state.sender.put("events", { name: "n" });
  await vi.advanceTimersByTimeAsync(4999);
  expect(state.sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  state.answer = () => 0;
  await vi.advanceTimersByTimeAsync(120_000);
  expect(state.sent.length).toBeGreaterThan(1);
  expect(new Set(state.sent.map(({ ids }) => ids.join())).size).toBe(1);
  expect(new Set(state.sent[0]?.ids).size).toBe(2);
  const before = state.sent.length;
  await state.sender.close();
  expect([state.sent.length, state.sender.dropped]).toEqual([before, 0]);
});

test("a full batch is sent at once, and what is too much is dropped", async () => {
  const state = sending();
  state.answer = () => 3;
  for (let i = 0; i < 10_010; i++) {
    state.sender.put("exposures", { i });
  }
  expect(state.sender.dropped).toBe(10);
  await vi.advanceTimersByTimeAsync(5000);
  expect(state.sent.slice(0, 20).every(({ ids }) => ids.length === 500)).toBe(true);
  expect(new Set(state.sent.flatMap(({ ids }) => ids)).size).toBe(10_000);
  expect(state.sender.dropped).toBe(10 + 3 * state.sent.length); // some were malformed, says the server
});

test("what is refused is not sent again", async () => {
  const state = sending();
  state.answer = () => {
    throw new Refused(403, "no");
  };
  state.sender.put("events", { name: "n" });
  await state.sender.close();
  expect([state.sent.length, state.sender.dropped]).toEqual([1, 1]);
  state.sender.put("events", { name: "n" });
  expect(state.sender.dropped).toBe(2);
});

test("a page that goes sends as much as it can, and the rest if it comes back", async () => {
  const state = sending();
  for (let i = 0; i < 100; i++) {
    state.sender.put("events", { name: "x".repeat(1000) });
  }
  state.sender.leave();
  await vi.advanceTimersByTimeAsync(0);
  expect(state.sent).toMatchObject([{ goes: true }]);
  const first = state.sent[0]?.ids.length ?? 0;
  expect(first).toBeGreaterThan(50);
  expect(first).toBeLessThan(60);
  await vi.advanceTimersByTimeAsync(5000);
  expect(state.sent[1]).toMatchObject({ goes: false, ids: { length: 100 - first } });
});

test("closing gives up after five seconds", async () => {
  const state = sending();
  state.answer = () => {
    throw new Error("nobody is there");
  };
  state.sender.put("events", { name: "n" });
  const closed = state.sender.close();
  await vi.advanceTimersByTimeAsync(5500);
  await closed;
  expect(state.sender.dropped).toBe(1);
});
