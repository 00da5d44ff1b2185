import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";

import type { ConfigClient } from "../../src/follow/client.js";
import { Follower, upstreamOf } from "../../src/follow/follow.js";
import { PlaneState } from "../../src/follow/status.js";
import { defaultTimers } from "../../src/follow/timers.js";
import {
  FetchResponseSchema,
  Goodbye_Reason,
  type ReportStatusRequest,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from "../../src/gen/strata/serving/v1/config_pb.js";
import { LastGood } from "../../src/lastgood.js";
import { safe } from "../../src/log.js";
import type { View } from "../../src/view.js";
import { heartbeat, hello, tokenOf, update, viewOf } from "./views.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0); // all waits are as short as they may be
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** One stream, as its server has it. */
class Stream {
  readonly request: WatchRequest;
  readonly #frames: (WatchResponse | Error | "end")[] = [];
  #take = () => {};
  isOpen = true;

  constructor(request: WatchRequest, signal: AbortSignal) {
    this.request = request;
    signal.addEventListener("abort", () => {
      this.isOpen = false;
      this.#push(new ConnectError("aborted", Code.Canceled));
    });
  }

  /** Sends frames, and resolves when they were taken. */
  async send(...frames: WatchResponse[]): Promise<void> {
    frames.forEach((frame) => this.#push(frame));
    await vi.advanceTimersByTimeAsync(0);
  }

  /** Ends the stream, with an error if one is given. */
  async end(error?: Error): Promise<void> {
    this.#push(error ?? "end");
    await vi.advanceTimersByTimeAsync(0);
  }

  get token(): string {
    return new TextDecoder().decode(this.request.resumeToken);
  }

  async *frames(): AsyncGenerator<WatchResponse> {
    for (;;) {
      while (this.#frames.length === 0) {
        await new Promise<void>((resolve) => (this.#take = resolve));
      }
      const frame = this.#frames.shift();
      if (frame instanceof Error) {
        throw frame;
      }
      if (frame === "end" || frame === undefined) {
        return;
      }
      yield frame;
    }
  }

  #push(frame: WatchResponse | Error | "end"): void {
    this.#frames.push(frame);
    this.#take();
  }
}

/** A server that does as it is told. */
class Script implements ConfigClient {
  readonly streams: Stream[] = [];
  readonly reports: ReportStatusRequest[] = [];
  readonly fetches: WatchRequest[] = [];
  /** What a fetch brings. */
  fetched: WatchResponse[] | Error = new ConnectError("none", Code.Unavailable);
  reportError: Error | undefined;

  watch(request: WatchRequest, signal: AbortSignal) {
    const stream = new Stream(request, signal);
    this.streams.push(stream);
    return stream.frames();
  }

  fetch(request: WatchRequest) {
    this.fetches.push(request);
    return this.fetched instanceof Error
      ? Promise.reject(this.fetched)
      : Promise.resolve(create(FetchResponseSchema, { frames: this.fetched }));
  }

  report(request: ReportStatusRequest) {
    this.reports.push(request);
    return this.reportError ? Promise.reject(this.reportError) : Promise.resolve();
  }

  close() {}

  /** The newest stream. */
  get stream(): Stream {
    const stream = this.streams.at(-1);
    if (!stream) {
      throw new Error("there is no stream");
    }
    return stream;
  }

  get states() {
    return this.reports.map(({ status }) => status && PlaneState[status.state]);
  }
}

interface Options {
  environment?: string;
  store?: LastGood;
}

/** Starts a follower of a script, which refuses to run views that are poisoned. */
async function follow(options: Options = {}) {
  const script = new Script();
  const active: number[] = [];
  const poisoned = new Set<View>();
  const follower = new Follower({
    client: script,
    url: "http://127.0.0.1:1",
    environment: options.environment ?? "test",
    services: ["s"],
    instance: "instance",
    software: "software",
    sink: {
      activate(view) {
        if (poisoned.has(view) || [...poisoned].some((each) => each.position.revision === view.position.revision)) {
          throw new Error("poison");
        }
        active.push(Number(view.position.revision));
      },
    },
    store: options.store,
    timers: defaultTimers,
    log: safe(undefined),
  });
  onTestFinished(() => follower.stop());
  const loaded = follower.load();
  follower.start();
  await vi.advanceTimersByTimeAsync(0);
  return { script, active, poisoned, follower, loaded };
}

const one = viewOf(1, { a: 1 });
const two = viewOf(2, { a: 2 });
const three = viewOf(3, { a: 3 });

function goodbye(reason: Goodbye_Reason, retryMinMillis: number, retryMaxMillis: number): WatchResponse {
  return create(WatchResponseSchema, { frame: { case: "goodbye", value: { reason, retryMinMillis, retryMaxMillis } } });
}

test("it asks for what it follows, and says who it is", async () => {
  const { script } = await follow();
  const { environment, services, instance, client, resumeToken } = script.stream.request;
  expect([environment, services, instance, client, resumeToken.length]).toEqual([
    "test",
    ["s"],
    "instance",
    "software",
    0,
  ]);
});

test("parts are taken whole, or not at all", async () => {
  const { script, active, follower } = await follow();
  const [first, second] = update(one, undefined, 2);
  if (!first || !second) {
    throw new Error("there are too few parts");
  }
  await script.stream.send(hello(), first);
  expect(active).toEqual([]);
  expect(follower.status().state).toBe(PlaneState.UNSPECIFIED);
  await script.stream.send(second);
  expect(active).toEqual([1]);
  expect(follower.status().state).toBe(PlaneState.SYNCED);
});

test("changes are taken, and a stream goes on where the last one was", async () => {
  const { script, active } = await follow();
  await script.stream.send(hello(), ...update(one), heartbeat(one), ...update(two, one));
  expect(active).toEqual([1, 2]);
  await script.stream.end();
  expect(script.streams.length).toBe(2);
  expect(script.stream.token).toBe(new TextDecoder().decode(tokenOf(two)));
  await script.stream.send(hello(), ...update(three, two));
  expect(active).toEqual([1, 2, 3]);
});

test("how old what is there is, servers say", async () => {
  const { script, follower } = await follow();
  await vi.advanceTimersByTimeAsync(2000);
  expect(follower.status().staleFor).toBe(2000);
  await script.stream.send(hello(), ...update(one));
  expect(follower.status().staleFor).toBe(2000);
  await script.stream.send(heartbeat(one, 700));
  expect(follower.status().staleFor).toBe(700);
  await vi.advanceTimersByTimeAsync(100);
  await script.stream.send(...update(two, one));
  expect(follower.status().staleFor).toBe(0);
});

test("a wrong hash has everything sent anew, at most every 30 s, and what runs goes on", async () => {
  const { script, active, follower } = await follow();
  const wrong = () => {
    const frames = update(three);
    for (const { frame } of frames) {
      if (frame.case === "update" && frame.value.last) {
        frame.value.hash = one.hash;
      }
    }
    return frames;
  };
  await script.stream.send(hello(), ...update(one), ...wrong());
  expect(active).toEqual([1]);
  expect(follower.status().error?.message).toContain("hash");
  expect(script.streams.length).toBe(2);
  expect(script.stream.token).toBe("");
  await script.stream.send(hello(), ...wrong());
  await vi.advanceTimersByTimeAsync(29_999);
  expect(script.streams.length).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(script.streams.length).toBe(3);
  expect(script.stream.token).toBe("");
  await script.stream.send(hello(), ...update(three), heartbeat(three));
  expect(active).toEqual([1, 3]);
  expect(follower.status().error).toBe(undefined);
});

test.each([
  ["a frame before Hello", [heartbeat(one)]],
  ["a second Hello", [hello(), hello()]],
  ["a heartbeat between parts", [hello(), ...update(two, undefined, 2).slice(0, 1), heartbeat(one)]],
  ["a part that is missing", [hello(), ...update(two, undefined, 2).slice(1)]],
  ["an update from elsewhere", [hello(), ...update(three, two)]],
])("%s is in doubt", async (_, frames) => {
  const { script, active } = await follow();
  await script.stream.send(hello(), ...update(one));
  await script.stream.end();
  await script.stream.send(...frames);
  expect(script.streams.length).toBe(3);
  expect(script.stream.token).toBe("");
  expect(active).toEqual([1]);
});

test("a frame that is not known is passed over", async () => {
  const { script, active } = await follow();
  await script.stream.send(create(WatchResponseSchema), hello(), create(WatchResponseSchema), ...update(one));
  expect(active).toEqual([1]);
});

test("what was missed is asked for again, and then everything", async () => {
  const { script } = await follow();
  await script.stream.send(hello(), ...update(one), heartbeat(two));
  expect(script.streams.length).toBe(2);
  expect(script.stream.token).toBe(new TextDecoder().decode(tokenOf(one)));
  const same = viewOf(1, { a: "another" });
  await script.stream.send(hello(), heartbeat(same));
  expect(script.streams.length).toBe(3);
  expect(script.stream.token).toBe("");
});

describe("it never goes back", () => {
  test.each([
    ["a heartbeat from before", [heartbeat(one)]],
    ["a whole configuration from before", update(one)],
    ["a whole one of an older history", update(viewOf(9, {}, 0))],
  ])("for %s", async (_, frames) => {
    const { script, active } = await follow();
    await script.stream.send(hello(), ...update(two), heartbeat(two));
    await script.stream.send(...frames);
    expect(active).toEqual([2]);
    expect(script.streams.length).toBe(2);
    expect(script.stream.token).toBe(new TextDecoder().decode(tokenOf(two)));
    await script.stream.send(hello(), ...update(three, two));
    expect(active).toEqual([2, 3]);
  });

  test("but to a later history, whatever its revision", async () => {
    const { script, active } = await follow();
    await script.stream.send(hello(), ...update(three), ...update(viewOf(1, { b: 1 }, 2)));
    expect(active).toEqual([3, 1]);
  });
});

test("a revision that can not be run is reported, and the next one is taken", async () => {
  const { script, active, poisoned, follower } = await follow();
  poisoned.add(two);
  await script.stream.send(hello(), ...update(one), heartbeat(one), ...update(two, one));
  expect(active).toEqual([1]);
  const { state, active: running, faults, replicated } = follower.status();
  expect([state, running?.position.revision, replicated.revision]).toEqual([PlaneState.REJECTED, 1n, 2n]);
  expect(faults.map(({ problem }) => problem).join()).toContain("poison");
  const { status } = script.reports.at(-1) ?? {};
  expect(status).toMatchObject({ state: PlaneState.REJECTED, replicatedRevision: 2n, activeRevision: 1n });
  expect(status?.activeHash).toEqual(one.hash);
  expect(status?.rejections[0]?.problem).toContain("poison");
  await script.stream.send(heartbeat(two), ...update(three, two));
  expect(script.streams.length).toBe(1);
  expect(active).toEqual([1, 3]);
  expect(script.reports.at(-1)?.status).toMatchObject({ state: PlaneState.SYNCED, activeRevision: 3n, rejections: [] });
});

test("another environment is refused", async () => {
  const { script, active, follower } = await follow();
  await script.stream.send(hello(15_000, "other"), ...update(one));
  expect(active).toEqual([]);
  expect(follower.status().error?.message).toContain("other");
});

test("an environment that only the server knows stays the same", async () => {
  const { script, active } = await follow({ environment: "" });
  await script.stream.send(hello(15_000, "its own"), ...update(one));
  await script.stream.end();
  await script.stream.send(hello(15_000, "another"), ...update(two));
  expect(active).toEqual([1]);
});

test("a stream that is silent for three heartbeats is left, and it is stale", async () => {
  const { script, follower } = await follow();
  await script.stream.send(hello(1000), ...update(one));
  const [first] = script.streams;
  await vi.advanceTimersByTimeAsync(2900);
  await script.stream.send(heartbeat(one));
  await vi.advanceTimersByTimeAsync(2999);
  expect(first?.isOpen).toBe(true);
  expect(follower.status().state).toBe(PlaneState.SYNCED);
  await vi.advanceTimersByTimeAsync(1);
  expect(first?.isOpen).toBe(false);
  expect(script.streams.length).toBe(2);
  expect(follower.status()).toMatchObject({ state: PlaneState.STALE, stale: true });
  await script.stream.send(hello(1000), heartbeat(one));
  expect(follower.status().state).toBe(PlaneState.SYNCED);
});

test("that it is stale is told without being asked", async () => {
  const { script, follower } = await follow();
  await script.stream.send(hello(1000), ...update(one));
  await script.stream.end();
  const states: PlaneState[] = [];
  follower.listen(() => states.push(follower.status().state));
  await vi.advanceTimersByTimeAsync(3001);
  expect(states).toContain(PlaneState.STALE);
});

test("a stream that does not begin in time is fetched in its place, and tried again", async () => {
  const { script, active, follower } = await follow();
  script.fetched = [hello(), ...update(one), heartbeat(one)];
  await vi.advanceTimersByTimeAsync(9999);
  expect(script.fetches.length).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(script.fetches.length).toBe(1);
  expect(script.streams[0]?.isOpen).toBe(false);
  expect(active).toEqual([1]);
  expect(follower.status().state).toBe(PlaneState.SYNCED);
  expect(script.reports.at(-1)).toMatchObject({ streamId: "", status: { activeRevision: 1n } });

  script.fetched = [hello(), ...update(two, one), heartbeat(two)];
  await vi.advanceTimersByTimeAsync(11_250); // three quarters of a heartbeat
  expect(active).toEqual([1, 2]);
  expect(new TextDecoder().decode(script.fetches.at(-1)?.resumeToken)).toBe(new TextDecoder().decode(tokenOf(one)));
  script.fetched = [hello(), heartbeat(two)];
  await vi.advanceTimersByTimeAsync(123_750); // three quarters of three minutes, since the first fetch
  expect(script.streams.length).toBe(2);
  expect(follower.status()).toMatchObject({ state: PlaneState.SYNCED, error: undefined });
  const before = script.fetches.length;
  await script.stream.send(hello(), heartbeat(two), ...update(three, two));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(script.fetches.length).toBe(before);
  expect(active).toEqual([1, 2, 3]);
});

test("a fetch that is not whole is not taken", async () => {
  const { script, active, follower } = await follow();
  script.fetched = [hello(), ...update(one, undefined, 2).slice(0, 1)];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(active).toEqual([]);
  expect(follower.status().error?.message).toContain("not whole");
  expect(script.streams.length).toBe(2);
});

test("a goodbye says when to come back", async () => {
  const { script, active } = await follow();
  await script.stream.send(hello(), ...update(one), goodbye(Goodbye_Reason.DRAIN, 4000, 9000));
  await vi.advanceTimersByTimeAsync(3999);
  expect(script.streams.length).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(script.streams.length).toBe(2);
  expect(active).toEqual([1]);
});

test("a key that is refused waits, and what is there stays", async () => {
  const { script, follower } = await follow();
  await script.stream.send(hello(), ...update(one), goodbye(Goodbye_Reason.REVOKED, 0, 0));
  vi.spyOn(Math, "random").mockReturnValue(1);
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]) {
    const before = script.streams.length;
    await script.stream.end(new ConnectError("no", Code.Unauthenticated));
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(script.streams.length).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(script.streams.length).toBe(before + 1);
  }
  expect(follower.status().active?.position.revision).toBe(1n);
  expect(follower.status().error?.message).toContain("no");
});

describe("the status is reported", () => {
  test("at each change, and within each heartbeat", async () => {
    const { script } = await follow();
    await script.stream.send(hello(9000));
    expect(script.reports).toEqual([]);
    await script.stream.send(...update(one), heartbeat(one));
    expect(script.reports.at(-1)).toMatchObject({
      environment: "test",
      streamId: "stream",
      status: { instance: "instance", client: "software", state: PlaneState.SYNCED, epoch: 1n, activeRevision: 1n },
    });
    await script.stream.send(...update(two, one));
    expect(script.reports.at(-1)?.status?.activeRevision).toBe(2n);
    const before = script.reports.length;
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(6000);
      await script.stream.send(heartbeat(two));
    }
    expect(script.reports.length).toBe(before + 10);
  });

  test("again if that fails, and not too often", async () => {
    const { script } = await follow();
    script.reportError = new ConnectError("no", Code.Unavailable);
    await script.stream.send(hello(9000), ...update(one));
    expect(script.reports.length).toBe(1);
    await vi.advanceTimersByTimeAsync(2999);
    expect(script.reports.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(script.reports.length).toBe(2);
    expect(script.streams.length).toBe(1);
  });

  test("not more often than the server wants", async () => {
    const { script } = await follow();
    const slow = hello(9000);
    if (slow.frame.case === "hello") {
      slow.frame.value.reportMillis = 5000;
    }
    await script.stream.send(slow, ...update(one), heartbeat(one), ...update(two, one), ...update(three, two));
    expect(script.reports.length).toBe(1);
    await vi.advanceTimersByTimeAsync(5000);
    expect(script.reports.length).toBe(2);
    expect(script.reports.at(-1)?.status?.activeRevision).toBe(3n);
  });

  test("not without a stream", async () => {
    const { script } = await follow();
    await script.stream.send(hello(9000), ...update(one), goodbye(Goodbye_Reason.DRAIN, 60_000, 60_000));
    const before = script.reports.length;
    await vi.advanceTimersByTimeAsync(59_000);
    expect(script.reports.length).toBe(before);
  });
});

test("what ran is kept, and used again while no server is there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "strata-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const store = () => new LastGood(folder, safe(undefined));
  const before = await follow({ store: store() });
  await before.script.stream.send(hello(), ...update(one), heartbeat(one), ...update(two, one));
  before.poisoned.add(three);
  await before.script.stream.send(...update(three, two));
  await before.follower.stop();

  const after = await follow({ store: store() });
  expect(after.loaded).toBe(true);
  expect(after.active).toEqual([2]);
  expect(after.follower.status().state).toBe(PlaneState.STALE);
  expect(after.script.stream.token).toBe(new TextDecoder().decode(tokenOf(two)));
  await after.script.stream.send(hello(), heartbeat(two));
  expect(after.follower.status().state).toBe(PlaneState.SYNCED);
  expect((await follow({ store: store(), environment: "other" })).loaded).toBe(false);
});

test("stop ends everything", async () => {
  const { script, follower } = await follow();
  await script.stream.send(hello(), ...update(one), heartbeat(one));
  await follower.stop();
  expect(script.stream.isOpen).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
  const [streams, reports] = [script.streams.length, script.reports.length];
  await vi.advanceTimersByTimeAsync(600_000);
  expect([script.streams.length, script.reports.length]).toEqual([streams, reports]);
  await follower.stop();
});

test.each(["waiting", "fetching"])("stop ends what is %s", async (what) => {
  const { script, follower } = await follow();
  if (what === "waiting") {
    await script.stream.send(hello(), goodbye(Goodbye_Reason.DRAIN, 60_000, 60_000));
  } else {
    script.fetched = [hello(), ...update(one), heartbeat(one)];
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(script.fetches.length).toBe(what === "waiting" ? 0 : 1);
  await follower.stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("servers are told apart by where they are", () => {
  expect(upstreamOf("HTTP://Example.com:80/a/")).toBe("http://example.com/a");
  expect(upstreamOf("https://user@example.com:8443")).toBe("https://example.com:8443");
});
