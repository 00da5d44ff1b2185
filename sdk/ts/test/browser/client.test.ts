// The client for browsers, in Node, with data planes as they are.
import { beforeEach, expect, onTestFinished, test } from "vitest";

import { Core } from "../../src/remote/core.js";
import { type Config, resolve } from "../../src/remote/settings.js";
import { defaultTimes, type Times } from "../../src/remote/times.js";
import type { Change, Status } from "../../src/status.js";
import { type DataPlane, Folder, startDataPlane } from "../dataplane.js";
import { forward } from "../forward.js";

const user = { user_id: "u", plan: "gold" };
let folder: Folder;

beforeEach(() => {
  folder = new Folder();
  onTestFinished(() => folder.remove());
});

/** Writes two experiments: the first one sets title and b.c, the second one title and, for gold, b.d. */
function write(title: string): void {
  folder.layers(
    {
      eid: 1,
      service: "shop",
      variants: [{ vid: 10, params: { title, b: { c: 1 }, big: 1e300, list: [1, { x: null }] } }],
    },
    {
      eid: 2,
      service: "shop",
      rule: { type: "field", field: "plan", op: "eq", values: ["gold"] },
      variants: [
        { vid: 20, params: { title: "hidden", b: { d: true }, o: {} } },
        { vid: 21, params: { "left.out": 1 } },
      ],
    },
  );
}

async function serve(...flags: string[]): Promise<DataPlane> {
  const plane = await startDataPlane(folder.path, ...flags);
  onTestFinished(() => plane.kill());
  return plane;
}

/** Opens a client that is quick to come back. */
function open(config: Partial<Config>, times: Partial<Times> = {}): Core {
  const all = resolve({ url: "http://127.0.0.1:1", services: ["shop"], ...config });
  const core = new Core(all, { ...defaultTimes, tick: 20, calm: 20, firstPause: 20, longestPause: 50, ...times });
  onTestFinished(() => core.close());
  return core;
}

/** Resolves once the status is as is wanted, which changes tell of. */
function until(core: Core, wanted: (status: Status) => boolean): Promise<Status> {
  return new Promise((done) => {
    const look = () => {
      const status = core.status();
      if (wanted(status)) {
        stop();
        done(status);
      }
    };
    const stop = core.onChange(look);
    look();
  });
}

test("what is loaded is read, with its source", async () => {
  write("a");
  const { url } = await serve();
  const core = open({ url });
  expect(core.status()).toMatchObject({ state: "NOT_READY", revision: 0, faults: [], dropped: 0 });
  await core.load(user);
  expect(core.status()).toMatchObject({ state: "READY", revision: 1, error: undefined });
  const e = core.evaluate("shop", { plan: "gold", user_id: "u", more: undefined });
  expect(e.getString("title", "-")).toBe("a");
  expect(e.getObject("", {})).toEqual({
    title: "a",
    b: { c: 1, d: true },
    big: 1e300,
    list: [1, { x: null }],
    o: {},
  });
  expect(e.lookup("b")).toMatchObject({
    value: { c: 1, d: true },
    reason: "SPLIT",
    vid: 10,
    layerId: "l1",
    revision: 1,
  });
  expect(e.lookup("b.d")).toMatchObject({ value: true, reason: "TARGETING_MATCH", eid: 2, vid: 20, layerId: "l2" });
  expect(e.lookup("o")).toMatchObject({ value: {}, reason: "TARGETING_MATCH", vid: 20 });
  expect(e.lookup("b.d").slot).toBeGreaterThanOrEqual(0);
  expect(e.lookup("left\\.out")).toMatchObject({ value: undefined, reason: "DEFAULT", error: "", slot: -1 });
  expect(e.lookup("left.out")).toMatchObject({ reason: "ERROR", error: "NOT_FOUND" });
  expect(core.evaluate("other", user).lookup("title")).toMatchObject({ error: "NOT_FOUND" });
  expect(Object.isFrozen(e.getObject("b", {}))).toBe(true);
  expect([core.knows("shop", ""), core.knows("shop", "b"), core.knows("shop", "c"), core.knows("other", "")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(core.evaluate("shop", [] as never).lookup("title")).toMatchObject({ error: "INVALID_CONTEXT" });
});

test("it explains what it was told", async () => {
  write("a");
  const core = open({ url: (await serve()).url, context: user });
  await core.ready(20_000);
  const { layers, parameters, result } = core.explain("shop", user);
  expect(layers).toMatchObject([
    { layerId: "l1", outcome: 1, hashKey: "user_id", key: "u", vid: 10 },
    { layerId: "l2", outcome: 1, vid: 20 },
  ]);
  expect(parameters).toContainEqual({
    path: "/b/d",
    winner: { layerId: "l2", eid: 2, vid: 20, value: "true" },
    hidden: [],
  });
  expect(result.vids).toEqual([10, 20]);
  expect(core.explain("other", user).layers).toEqual([]);
});

test("a context that is not there answers with defaults, is asked for, and told of", async () => {
  write("a");
  const core = open({ url: (await serve()).url });
  const changes: Change[] = [];
  core.onChange((change) => changes.push(change));
  expect(core.evaluate("shop", user).lookup("title")).toMatchObject({ reason: "ERROR", error: "NOT_READY" });
  await until(core, ({ state }) => state === "READY");
  expect(core.evaluate("shop", user).getString("title", "-")).toBe("a");
  expect(changes).toMatchObject([{ stateBefore: "NOT_READY", stateAfter: "READY", revisionAfter: 1 }]);
  expect(changes[0]?.keys).toEqual(["shop.b.c", "shop.b.d", "shop.big", "shop.left\\.out", "shop.list", "shop.title"]);

  await core.load({ user_id: "other" });
  expect(changes.length).toBe(1); // nobody had asked for it in vain
  const told = new Promise((done) => core.onChange(done));
  expect(core.evaluate("shop", { user_id: "third" }).getString("title", "-")).toBe("-");
  expect(await told).toMatchObject({
    revisionBefore: 1,
    revisionAfter: 1,
    keys: expect.arrayContaining(["shop.title"]),
  });
});

test("a change reaches it, and so does one without anybody who matched", async () => {
  write("a");
  const core = open({ url: (await serve()).url, context: user });
  await core.ready(20_000);
  await core.load({}); // nobody
  const changes: Change[] = [];
  core.onChange((change) => changes.push(change));
  write("b");
  await until(core, ({ revision }) => revision === 2);
  expect(changes.at(-1)).toMatchObject({ revisionBefore: 1, revisionAfter: 2, keys: ["shop.title"] });
  expect(core.evaluate("shop", user).lookup("title")).toMatchObject({ value: "b", revision: 2 });
  expect(core.evaluate("shop", {}).lookup("title")).toMatchObject({ reason: "DEFAULT", revision: 2 });
});

test("one who matches nothing is told of changes", async () => {
  write("a");
  const core = open({ url: (await serve()).url, context: { plan: "none" } });
  await core.ready(20_000);
  write("b");
  const { state } = await until(core, ({ revision }) => revision === 2);
  expect(state).toBe("READY");
});

test("a server that is gone leaves answers, which become stale, and comes back", async () => {
  write("a");
  const first = await serve();
  const proxy = await forward(first.port);
  const core = open({ url: proxy.url, context: user }, { stale: 100, poll: 50 });
  await core.ready(20_000);
  await first.kill();
  const { staleFor, error } = await until(core, ({ state }) => state === "STALE");
  expect(staleFor).toBeGreaterThan(100);
  expect(error).toBeInstanceOf(Error);
  expect(core.evaluate("shop", user).getString("title", "-")).toBe("a");
  write("b");
  proxy.to((await serve()).port);
  const back = await until(core, ({ state }) => state === "READY");
  expect(back.error).toBe(undefined);
  expect(core.evaluate("shop", user).getString("title", "-")).toBe("b");
  await core.close();
});

test("without a stream it polls", async () => {
  write("a");
  const proxy = await forward((await serve()).port, { refuses: (url) => url.startsWith("/ofrep/") });
  const core = open({ url: proxy.url, context: user }, { poll: 50 });
  await core.ready(20_000);
  write("b");
  await until(core, ({ revision }) => revision === 2);
  expect(core.evaluate("shop", user).getString("title", "-")).toBe("b");
});

test("exposures mean what they mean elsewhere, each once", async () => {
  write("a");
  const plane = await serve();
  const core = open({ url: plane.url, context: user });
  await core.ready(20_000);
  for (const path of ["title", "title", "b.d", "b.d", "title"]) {
    core.evaluate("shop", user).lookup(path);
  }
  core.record({ name: "checkout", context: user, value: 9.5, properties: { items: 3 } });
  core.record({ name: "checkout", context: { user_id: null } });
  await core.close();
  expect(core.status()).toMatchObject({ state: "CLOSED", dropped: 1 });
  expect(await plane.metric('strata_exposures_total{hidden="false",service="shop"}')).toBe(2);
  expect(await plane.metric('strata_exposures_total{hidden="true",service="shop"}')).toBe(1);
  expect(await plane.metric("strata_events_total")).toBe(1);
  expect(await plane.metric("strata_event_refusals_total")).toBe(0);
});

test("with nobody there, loading fails, and closing ends the waiting", async () => {
  const core = open({});
  await expect(core.load(user, 100)).rejects.toThrow(/no answer after 100 ms: ./);
  await expect(core.ready(1)).rejects.toThrow(/no answer after 1 ms/);
  const waiting = Promise.allSettled([core.ready(), core.load(user)]);
  await core.close();
  expect(await waiting).toMatchObject([{ reason: new Error("strata: the client is closed") }, { status: "rejected" }]);
  await expect(core.load(user)).rejects.toThrow("closed");
  expect(core.evaluate("shop", user).lookup("a")).toMatchObject({ error: "NOT_READY" });
});

test("a context that the server does not take fails alone", async () => {
  write("a");
  const core = open({ url: (await serve()).url });
  const large = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`a${i}`, i]));
  const refused = core.load(large);
  await core.load(user);
  await expect(refused).rejects.toThrow("context");
});

test("settings that can not be right are all named", () => {
  const config = { url: "ftp://x", services: [], secretKey: "s", context: 5 } as never;
  expect(() => resolve(config)).toThrow(/URL[^]*services[^]*context[^]*secretKey/);
});
