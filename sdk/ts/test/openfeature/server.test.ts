// The server provider with a data plane as it is.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client as APIClient, NOOP_PROVIDER, OpenFeature, ProviderEvents } from "@openfeature/server-sdk";
import type { FlagValue, JsonValue } from "@openfeature/core";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";

import { Key } from "../../src/accesskey.js";
import { Client } from "../../src/client.js";
import { StrataProvider } from "../../src/openfeature-server.js";
import { secretKey } from "../client/planes.js";
import { type DataPlane, Folder, startDataPlane } from "../dataplane.js";
import { writeShop } from "./shop.js";
import { type Attributes, type Kind, run, type Subject, suite } from "./suite.js";

const nowhere = "http://127.0.0.1:1";
const keys = new Folder();
let plane: DataPlane;
let stable: Client;

beforeAll(async () => {
  const key = Key.parse("", secretKey);
  const named = {
    access_key: key.accessKey,
    public_key: key.publicKey.toString("base64"),
    name: "sdk",
    role: "ROLE_SDK",
  };
  writeFileSync(join(keys.path, "keys.json"), JSON.stringify({ access_keys: [{ key: named }] }));
  plane = await serve(join(suite, "config"));
  stable = open(plane.url);
  await stable.ready();
  OpenFeature.setContext({ targetingKey: "user" });
});
afterAll(async () => {
  await stable.close();
  await plane.kill();
  keys.remove();
});
afterEach(() => OpenFeature.clearProviders());

// It writes each failure that scenarios want.
const quiet = () => {};
OpenFeature.setLogger({ debug: quiet, info: quiet, warn: quiet, error: quiet });

function serve(folder: string): Promise<DataPlane> {
  return startDataPlane(folder, "--environment=suite", `--keys-file=${join(keys.path, "keys.json")}`);
}

function open(url: string): Client {
  return new Client({ url, secretKey });
}

/** Resolves once the API has told of something. */
function event(of: APIClient, type: ProviderEvents): Promise<{ flagsChanged?: string[]; message?: string }> {
  return new Promise((done) => of.addHandler(type as never, (details) => done({ ...details } as never)));
}

let domains = 0;

/** Makes a provider of a kind. */
async function provide(kind: Kind): Promise<Subject> {
  const domain = `scenario ${++domains}`;
  const api = OpenFeature.getClient(domain);
  const own = kind === "stale" ? await serve(join(suite, "config")) : undefined;
  const client = kind === "stable" ? stable : open(own?.url ?? nowhere);
  if (kind === "fatal") {
    await client.close();
  }
  const provider = new StrataProvider(client, { targetingKey: "user_id", initTimeout: kind === "error" ? 1 : 30_000 });
  if (kind === "not ready") {
    OpenFeature.setProvider(domain, provider);
  } else {
    const failure = await OpenFeature.setProviderAndWait(domain, provider).then(() => "", String);
    assert.equal(failure !== "", kind === "error" || kind === "fatal", failure);
  }
  if (own) {
    const stale = event(api, ProviderEvents.Stale);
    await own.kill();
    await stale;
  }
  return {
    status: () => api.providerStatus,
    addHooks: (...hooks) => api.addHooks(...hooks),
    evaluate(key, def, attributes: Attributes, hooks) {
      switch (typeof def) {
        case "boolean":
          return api.getBooleanDetails(key, def, attributes, { hooks });
        case "string":
          return api.getStringDetails(key, def, attributes, { hooks });
        case "number":
          return api.getNumberDetails(key, def, attributes, { hooks });
        default:
          return api.getObjectDetails<JsonValue>(key, def, attributes, { hooks }) as Promise<{
            value: FlagValue;
          }> as never;
      }
    },
    async close() {
      await OpenFeature.setProviderAndWait(domain, NOOP_PROVIDER);
      if (client !== stable) {
        await client.close();
      }
    },
  };
}

test("the specification's evaluations", { timeout: 60_000 }, async () => {
  const tags = "not @reason-codes-cached and not @metadata";
  expect(await run("evaluation_v2.feature", tags, provide)).toEqual({ PASSED: 79 });
});

test("the specification's hooks", { timeout: 60_000 }, async () => {
  expect(await run("hooks.feature", "", provide)).toEqual({ PASSED: 3 });
});

/** Serves a shop to a client. */
async function shop() {
  const folder = new Folder();
  onTestFinished(() => folder.remove());
  writeShop(folder, 5);
  const of = await serve(folder.path);
  onTestFinished(() => of.kill());
  return { of, client: open(of.url), resize: (size: number) => writeShop(folder, size) };
}

test("flags of all types, with their source", async () => {
  const { of, client } = await shop();
  await OpenFeature.setProviderAndWait(new StrataProvider(client));
  const api = OpenFeature.getClient();
  expect(api.metadata.providerMetadata).toEqual({ name: "strata" });
  const user = { user_id: "u" };
  expect(await api.getNumberDetails("shop.cart.size", 0, user)).toMatchObject({
    value: 5,
    variant: "10",
    reason: "SPLIT",
    flagMetadata: { version: "1", flagSetId: "shop.cart", layer: "l1", experiment: 1, slot: expect.any(Number) },
  });
  expect(await api.getObjectValue("shop.cart", {}, user)).toEqual({ size: 5 });
  expect(await api.getObjectValue("shop.list", {}, user)).toEqual([1]);
  expect(await api.getNumberValue("shop.half", 0, user)).toBe(0.5);
  expect(await api.getStringDetails("shop.none", "-", user)).toMatchObject({ value: "-", errorCode: "TYPE_MISMATCH" });
  for (const flag of ["shop.nothing", "other.half", "shop.", "", "."]) {
    expect(await api.getNumberDetails(flag, 7, user)).toMatchObject({
      value: 7,
      reason: "ERROR",
      errorCode: "FLAG_NOT_FOUND",
    });
  }
  const nobody = await api.getNumberDetails("shop.half", 7);
  expect(nobody).toMatchObject({ value: 7, reason: "DEFAULT" });
  expect(nobody.variant).toBe(undefined);
  api.track("checkout", user, { value: 9.5, items: 3 });
  await client.close();
  expect(client.status().dropped).toBe(0);
  expect(await of.metric("strata_events_total")).toBe(1);
});

test("a targeting key stands for what layers hash where that was asked for", async () => {
  const { client } = await shop();
  onTestFinished(() => client.close());
  await client.ready();
  const slot = async (context: Attributes, targetingKey?: string) => {
    const provider = new StrataProvider(client, { targetingKey });
    return (await provider.resolveNumberEvaluation("shop.half", 0, context)).flagMetadata?.["slot"];
  };
  const keyed = { targetingKey: "somebody" };
  expect(await slot(keyed)).toBe(undefined);
  expect(await slot(keyed, "session_id")).toBe(undefined);
  expect(await slot(keyed, "user_id")).toBe(await slot({ user_id: "somebody" }));
  expect(await slot({ ...keyed, user_id: "u" }, "user_id")).toBe(await slot({ user_id: "u" }));
  expect(keyed).toEqual({ targetingKey: "somebody" });
});

test("changes, silence and the end are told of", async () => {
  const { of, client, resize } = await shop();
  await OpenFeature.setProviderAndWait(new StrataProvider(client));
  const api = OpenFeature.getClient();
  const changed = event(api, ProviderEvents.ConfigurationChanged);
  resize(6);
  expect((await changed).flagsChanged).toEqual(["shop.cart.size"]);
  const stale = event(api, ProviderEvents.Stale);
  await of.kill();
  await stale;
  expect(await api.getNumberDetails("shop.cart.size", 0, { user_id: "u" })).toMatchObject({
    value: 6,
    reason: "STALE",
    variant: "10",
  });
  const failed = event(api, ProviderEvents.Error);
  void client.close();
  expect(await failed).toMatchObject({ message: "the client is closed" });
  expect(api.providerStatus).toBe("FATAL");
});
