import { inspect } from "node:util";
import { expect, test } from "vitest";

import { Client } from "../../src/client.js";
import { type Config, resolve } from "../../src/settings.js";
import { secretKey } from "./planes.js";

const url = "https://strata.example.com";

test("what is left out comes from the environment, or is as documented", () => {
  const env = {
    STRATA_URL: url,
    STRATA_SECRET_KEY: secretKey,
    STRATA_ENVIRONMENT: "prod",
    STRATA_CACHE_DIR: "/var/cache/strata",
  };
  const settings = resolve({}, env);
  expect(settings).toMatchObject({ url, environment: "prod", cacheDir: "/var/cache/strata", audience: "data-plane" });
  expect(settings.key?.accessKey).toBe("sak_kzdvvj2umnduyauf35o36k6k");
  expect(settings.instance).not.toBe(resolve({}, env).instance);
  expect(resolve({ url: "http://localhost", environment: "dev" }, env)).toMatchObject({
    url: "http://localhost",
    environment: "dev",
  });
  expect(resolve({ url }, {})).toMatchObject({ key: undefined, environment: "", services: [], cacheDir: "" });
});

test("services are known once", () => {
  expect(resolve({ url, services: ["b", "a", "b"] }, {}).services).toEqual(["a", "b"]);
});

test.each<[string, Config, RegExp]>([
  ["no URL", {}, /URL .* is empty/],
  ["no URL at all", { url: "strata" }, /URL .* is "strata"/],
  ["another scheme", { url: "ftp://strata" }, /URL/],
  ["a query", { url: `${url}?x=1` }, /without a query/],
  ["a password", { url: "http://user:hunter2@strata" }, /without/],
  ["a cache of nobody knows what", { url, cacheDir: "/tmp/x" }, /environment .* is empty/],
  ["a long environment", { url, environment: "é".repeat(32) }, /64 bytes/],
  ["a long instance", { url, instance: "x".repeat(257) }, /257 bytes/],
  ["a service without a name", { url, services: [""] }, /services/],
  ["services that are no list", { url, services: "s" as unknown as string[] }, /services/],
  ["too many services", { url, services: Array.from({ length: 1001 }, (_, i) => `s${i}`) }, /services/],
  ["no string", { url: 5 as unknown as string }, /url is no string/],
  ["an access key without a secret", { url, accessKey: "sak_kzdvvj2umnduyauf35o36k6k" }, /STRATA_SECRET_KEY/],
  ["a secret that is none", { url, secretKey: "ssk_hunter2" }, /STRATA_SECRET_KEY/],
])("%s is refused", (_, config, problem) => {
  expect(() => resolve(config, {})).toThrow(problem);
  expect(() => resolve(config, {})).not.toThrow(/hunter2/);
});

test("all that is wrong is named at once", () => {
  expect(() => resolve({ secretKey: "x", instance: "x".repeat(300) }, {})).toThrow(/URL[^]*300 bytes[^]*secret key/);
});

test("a client shows no secret", async () => {
  const client = new Client({ url: "http://127.0.0.1:1", secretKey });
  expect(inspect(client, { depth: 20, showHidden: true })).not.toContain(secretKey.slice(4, 20));
  expect(JSON.stringify(client)).not.toContain(secretKey.slice(4, 20));
  await client.close();
});
