// The client with servers that do what no data plane does.
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";

import type { Core } from "../../src/core.js";
import {
  ConfigService,
  FetchResponseSchema,
  PlaneState,
  ReportStatusResponseSchema,
  type Status,
  type WatchRequest,
  type WatchResponse,
} from "../../src/gen/strata/serving/v1/config_pb.js";
import { EventService, type RecordRequest, RecordResponseSchema } from "../../src/gen/strata/serving/v1/event_pb.js";
import { open, until } from "./opened.js";
import { connectHandler, serve, signal } from "./servers.js";
import { heartbeat, hello, update, viewOf } from "./views.js";

vi.setConfig({ testTimeout: 60_000 });

const good = viewOf(1, { a: 1 });
const poisoned = viewOf(2, "{");
const better = viewOf(3, { a: 3 });

/** Serves streams of these frames, each of which then stays open, the last one again and again. */
async function serveStreams(...streams: WatchResponse[][]) {
  const asked: WatchRequest[] = [];
  const reports: Status[] = [];
  const records: { request: RecordRequest; headers: Headers }[] = [];
  const recorded = signal();
  const reported = new EventTarget();
  const config: Partial<ServiceImpl<typeof ConfigService>> = {
    async *watch(request: WatchRequest, { signal: gone }: HandlerContext) {
      asked.push(request);
      yield* streams.length > 1 ? (streams.shift() ?? []) : (streams[0] ?? []);
      await new Promise<void>((resolve) => gone.addEventListener("abort", () => resolve()));
    },
    fetch: () => create(FetchResponseSchema),
    reportStatus({ status }) {
      if (status) {
        reports.push(status);
        reported.dispatchEvent(new Event("report"));
      }
      return create(ReportStatusResponseSchema);
    },
  };
  const events: Partial<ServiceImpl<typeof EventService>> = {
    record(request, { requestHeader }) {
      records.push({ request, headers: requestHeader });
      recorded.resolve();
      return create(RecordResponseSchema);
    },
  };
  const { url } = await serve(
    connectHandler((router) => router.service(ConfigService, config).service(EventService, events)),
  );
  /** Resolves to the first report that is as is wanted. */
  const report = (wanted: (status: Status) => boolean) => {
    const { promise, resolve } = signal<Status>();
    const look = () => reports.filter(wanted).slice(0, 1).forEach(resolve);
    reported.addEventListener("report", look);
    look();
    return promise;
  };
  return { url, asked, report, records };
}

const quiet = () => {};
const user = { user_id: "u" };
const explained = (core: Core) => core.explain("s", user).result.parameters;

test("a revision that can not be run leaves the one before, is reported, and the next one is taken", async () => {
  const server = await serveStreams(
    [hello(), ...update(good), heartbeat(good), ...update(poisoned, good), heartbeat(poisoned)],
    [hello(), ...update(better, poisoned), heartbeat(better)],
  );
  const core = open({ url: server.url });
  const status = await server.report(({ state }) => state === PlaneState.REJECTED);
  expect(status).toMatchObject({ replicatedRevision: 2n, activeRevision: 1n, epoch: 1n });
  expect(status.rejections[0]).toMatchObject({ key: "1" });
  expect(explained(core)).toBe('{"a":1}');
  const { revision, faults, state } = core.status();
  expect([revision, faults.length, state]).toEqual([1, 1, "READY"]);
});

test("a wrong hash is not taken, and everything is asked for anew", async () => {
  const wrong = update(better, good);
  for (const { frame } of wrong) {
    if (frame.case === "update") {
      frame.value.hash = good.hash;
    }
  }
  const server = await serveStreams(
    [hello(), ...update(good), heartbeat(good), ...wrong],
    [hello(), ...update(better), heartbeat(better)],
  );
  const core = open({ url: server.url });
  await until(core, ({ revision }) => revision === 3);
  expect(explained(core)).toBe('{"a":3}');
  expect(server.asked.map(({ resumeToken }) => resumeToken.length)).toEqual([0, 0]);
});

test("a server that is behind is not followed back", async () => {
  const server = await serveStreams(
    [hello(), ...update(better), heartbeat(better), heartbeat(good)],
    [hello(), ...update(good), heartbeat(good)],
    [hello(), heartbeat(better)],
  );
  const core = open({ url: server.url });
  const revisions: number[] = [];
  core.onChange(({ revisionAfter }) => revisions.push(revisionAfter));
  await until(core, ({ revision }) => revision === 3);
  await server.report(() => server.asked.length >= 3);
  expect(new Set(revisions)).toEqual(new Set([3]));
  expect(server.asked.every(({ resumeToken }, i) => resumeToken.length > 0 === i > 0)).toBe(true);
});

test("a frame that says to be huge is not taken", async () => {
  const failed = signal<{ error?: Error }>();
  const { url } = await serve((request, response) => {
    request.resume();
    response.writeHead(200, { "Content-Type": "application/connect+proto" });
    response.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
  });
  open({ url, log: { debug: quiet, info: quiet, warn: (_, fields) => failed.resolve(fields), error: quiet } });
  expect((await failed.promise).error?.message).toContain("too large");
});

test("exposures are what was read, once, signed one by one", async () => {
  const server = await serveStreams([hello(), ...update(good), heartbeat(good)]);
  const core = open({ url: server.url });
  await core.ready(10_000);
  for (let i = 0; i < 3; i++) {
    const e = core.evaluate("s", user);
    expect([e.getInt("a", -1), e.lookup("a").value, e.getInt("b", -1)]).toEqual([1, 1, -1]);
  }
  expect(core.evaluate("other", user).lookup("a")).toMatchObject({ reason: "ERROR", error: "NOT_FOUND" });
  core.record({ name: "checkout", context: user });
  core.record({ name: "", context: user });
  await core.close();
  core.evaluate("s", { user_id: "late" }).getInt("a", -1);
  const [sent, ...more] = server.records;
  expect(more).toEqual([]);
  expect(sent?.request.exposures.length).toBe(1);
  expect(sent?.request.exposures[0]).toMatchObject({ service: "s", key: "u", path: "a", revision: 1n, epoch: 1n });
  expect(sent?.request.events[0]).toMatchObject({ name: "checkout", units: { user_id: "u" } });
  expect(sent?.headers.get("signature-input")).toContain("strata-req-v1");
  expect(core.status()).toMatchObject({ state: "CLOSED", dropped: 2 });
});

test("what is no context is none, and nothing throws", async () => {
  const server = await serveStreams([hello(), ...update(good), heartbeat(good)]);
  const core = open({ url: server.url });
  await core.ready(10_000);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const context of [null, undefined, 5, "u", [], proxy]) {
    const e = core.evaluate("s", context as unknown as typeof user);
    expect(e.getInt("a", -1)).toBe(-1);
    expect(["INVALID_CONTEXT", ""]).toContain(e.lookup("a").error);
  }
  core.record(undefined as unknown as { name: string; context: typeof user });
  expect(core.status().dropped).toBe(1);
});

test("close tells those who listen and wait, once", async () => {
  const core = open({});
  const states: string[] = [];
  core.onChange(({ stateAfter }) => states.push(stateAfter));
  const waiting = core.ready().catch((error: Error) => error.message);
  await Promise.all([core.close(), core.close()]);
  expect(await waiting).toContain("closed");
  await expect(core.ready()).rejects.toThrow("closed");
  expect(states).toEqual(["CLOSED"]);
});
