// The web provider with a data plane as it is, in Node, whose EventSource and fetch are those of browsers.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Client, NOOP_PROVIDER, OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import type { FlagValue, JsonValue } from "@openfeature/core";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";

import { StrataProvider } from "../../src/openfeature-web.js";
import { Core } from "../../src/remote/core.js";
import { resolve } from "../../src/remote/settings.js";
import { defaultTimes } from "../../src/remote/times.js";
import { type DataPlane, Folder, startDataPlane } from "../dataplane.js";
import { writeShop } from "./shop.js";
import { type Attributes, type Kind, run, type Subject, suite } from "./suite.js";

const nowhere = "http://127.0.0.1:1";
const services = ["openfeature", "shop", "shop.cart"];
let plane: DataPlane;
let stable: Core;

beforeAll(async () => {
  plane = await startDataPlane(join(suite, "config"));
  stable = open(plane.url);
});
afterAll(async () => {
  await stable.close();
  await plane.kill();
});
afterEach(() => OpenFeature.clearProviders());

/** Opens a client that comes back soon after failures. */
function open(url: string, stale = defaultTimes.stale): Core {
  return new Core(resolve({ url, services }), { ...defaultTimes, tick: 20, stale, poll: 50, firstPause: 20 });
}

/** Resolves once the API has told of something. */
function event(
  of: Pick<Client, "addHandler">,
  type: ProviderEvents,
): Promise<{ flagsChanged?: string[]; message?: string }> {
  return new Promise((done) => of.addHandler(type as never, (details) => done({ ...details } as never)));
}

// It writes each failure that scenarios want.
const quiet = () => {};
OpenFeature.setLogger({ debug: quiet, info: quiet, warn: quiet, error: quiet });

let domains = 0;

/** Makes a provider of a kind. */
async function provide(kind: Kind): Promise<Subject> {
  const domain = `scenario ${++domains}`;
  const client = OpenFeature.getClient(domain);
  await OpenFeature.setContext(domain, { targetingKey: "user" });
  const own = kind === "stale" ? await startDataPlane(join(suite, "config")) : undefined;
  const core = kind === "stable" ? stable : open(own?.url ?? nowhere, 500);
  if (kind === "fatal") {
    await core.close();
  }
  const provider = new StrataProvider(core, { targetingKey: "user_id", initTimeout: kind === "error" ? 1 : 30_000 });
  if (kind === "not ready") {
    OpenFeature.setProvider(domain, provider);
  } else {
    const failure = await OpenFeature.setProviderAndWait(domain, provider).then(() => "", String);
    assert.equal(failure !== "", kind === "error" || kind === "fatal", failure);
  }
  if (own) {
    const stale = event(client, ProviderEvents.Stale);
    await own.kill();
    await stale;
  }
  return {
    status: () => client.providerStatus,
    addHooks: (...hooks) => client.addHooks(...hooks),
    async evaluate(key, def, attributes: Attributes, hooks) {
      if (Object.keys(attributes).length > 0) {
        await OpenFeature.setContext(domain, { targetingKey: "user", ...attributes });
      }
      switch (typeof def) {
        case "boolean":
          return client.getBooleanDetails(key, def, { hooks });
        case "string":
          return client.getStringDetails(key, def, { hooks });
        case "number":
          return client.getNumberDetails(key, def, { hooks });
        default:
          return client.getObjectDetails<JsonValue>(key, def, { hooks }) as { value: FlagValue } as never;
      }
    },
    async close() {
      await OpenFeature.setProviderAndWait(domain, NOOP_PROVIDER);
      if (core !== stable) {
        await core.close();
      }
    },
  };
}

// A browser is told of what the user's own experiments set, and finds nothing else.
const reasons = { DISABLED: "ERROR" };

test("the specification's evaluations", { timeout: 60_000 }, async () => {
  const tags = "not @reason-codes-cached and not @metadata";
  expect(await run("evaluation_v2.feature", tags, provide, reasons)).toEqual({ PASSED: 79 });
});

test("the specification's hooks", { timeout: 60_000 }, async () => {
  expect(await run("hooks.feature", "", provide, reasons)).toEqual({ PASSED: 3 });
});

/** Serves a shop to a client. */
async function shop(stale?: number) {
  const folder = new Folder();
  onTestFinished(() => folder.remove());
  writeShop(folder, 5);
  const of = await startDataPlane(folder.path);
  onTestFinished(() => of.kill());
  return { of, core: open(of.url, stale), resize: (size: number) => writeShop(folder, size) };
}

test("flags of all types, with their source", async () => {
  const { of, core } = await shop();
  await OpenFeature.setContext({ targetingKey: "t", user_id: "u" });
  await OpenFeature.setProviderAndWait(new StrataProvider(core));
  const client = OpenFeature.getClient();
  expect(client.metadata.providerMetadata).toEqual({ name: "strata" });
  expect(client.getNumberDetails("shop.cart.size", 0)).toMatchObject({
    value: 5,
    variant: "10",
    reason: "SPLIT",
    flagMetadata: { version: "1", flagSetId: "shop.cart", layer: "l1", experiment: 1, slot: expect.any(Number) },
  });
  expect(client.getObjectValue("shop.cart", {})).toEqual({ size: 5 });
  expect(client.getObjectValue("shop.list", {})).toEqual([1]);
  expect(client.getNumberValue("shop.half", 0)).toBe(0.5);
  expect(client.getStringDetails("shop.none", "-")).toMatchObject({ value: "-", errorCode: "TYPE_MISMATCH" });
  for (const flag of ["shop.nothing", "other.half", "shop.", "", "."]) {
    expect(client.getNumberDetails(flag, 7)).toMatchObject({ value: 7, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" });
  }
  client.track("checkout", { value: 9.5, items: 3 });
  await core.close();
  expect(core.status().dropped).toBe(0);
  expect(await of.metric("strata_events_total")).toBe(1);
});

test("another context is evaluated before it is read, and a targeting key stands for what layers hash", async () => {
  const { core } = await shop();
  onTestFinished(() => core.close());
  await OpenFeature.setContext({ targetingKey: "t" });
  await OpenFeature.setProviderAndWait(new StrataProvider(core, { targetingKey: "user_id" }));
  const client = OpenFeature.getClient();
  const slot = () => client.getNumberDetails("shop.half", 0).flagMetadata["slot"];
  const asKey = slot();
  const changed = event(client, ProviderEvents.ContextChanged);
  await OpenFeature.setContext({ user_id: "t" });
  await changed;
  expect(asKey).toEqual(expect.any(Number));
  expect(slot()).toBe(asKey);
  await OpenFeature.setContext({ targetingKey: "t", user_id: "u" });
  expect(slot()).not.toBe(asKey);
});

test("changes, silence and the end are told of", async () => {
  const { of, core, resize } = await shop(500);
  await OpenFeature.setContext({ user_id: "u" });
  await OpenFeature.setProviderAndWait(new StrataProvider(core));
  const client = OpenFeature.getClient();
  const changed = event(client, ProviderEvents.ConfigurationChanged);
  resize(6);
  expect((await changed).flagsChanged).toEqual(["shop.cart.size"]);
  const stale = event(client, ProviderEvents.Stale);
  await of.kill();
  await stale;
  expect(client.getNumberDetails("shop.cart.size", 0)).toMatchObject({ value: 6, reason: "STALE", variant: "10" });
  const failed = event(client, ProviderEvents.Error);
  void core.close();
  expect(await failed).toMatchObject({ message: "the client is closed" });
  expect(client.providerStatus).toBe("FATAL");
});
