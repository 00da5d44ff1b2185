// The client with data planes as they are.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as requestHTTP } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";

import type { Core } from "../../src/core.js";
import type { Config } from "../../src/settings.js";
import type { Change } from "../../src/status.js";
import { open, until } from "./opened.js";
import { Files, newFolder, otherSecretKey, secretKey, startFollower, startPlane } from "./planes.js";
import { serve, signal } from "./servers.js";

const quiet = () => {};

vi.setConfig({ testTimeout: 60_000 }); // processes may be slow to start

const user = { user_id: "u" };
const answer = (core: Core) => core.evaluate("s", user).getInt("a", -1);
/** As answer, without an exposure, which close would try to send for 5 s where the server is gone. */
const explained = (core: Core) => (JSON.parse(core.explain("s", user).result.parameters) as { a: number }).a;

test("the first configuration, and what changes then", async () => {
  const files = new Files({ a: 1, b: { c: "x" } });
  const plane = await startPlane(files);
  const core = open({ url: plane.url, services: ["s"] });
  expect(core.status()).toMatchObject({ state: "NOT_READY", revision: 0, epoch: 0 });
  expect(core.evaluate("s", user).lookup("a")).toMatchObject({ reason: "ERROR", error: "NOT_READY", slot: -1 });
  const changes: Change[] = [];
  core.onChange((change) => changes.push(change));
  await core.ready(20_000);
  expect(answer(core)).toBe(1);
  await until(core, ({ state }) => state === "READY");

  files.params({ a: 2, b: { c: "x" } });
  await until(core, ({ revision }) => revision === 2);
  expect(answer(core)).toBe(2);
  expect(core.evaluate("s", user).lookup("b.c")).toMatchObject({
    value: "x",
    reason: "SPLIT",
    error: "",
    layerId: "l",
    eid: 1,
    vid: 11,
    revision: 2,
  });
  expect(changes[0]).toMatchObject({
    revisionBefore: 0,
    revisionAfter: 1,
    stateBefore: "NOT_READY",
    keys: ["s.a", "s.b.c"],
  });
  expect(changes.find(({ revisionAfter }) => revisionAfter === 2)).toMatchObject({ revisionBefore: 1 });
  expect(core.status()).toMatchObject({ faults: [], dropped: 0 });
});

test("a key that is not known is refused, and the client says so", async () => {
  const plane = await startPlane(new Files({ a: 1 }));
  const refused = signal<unknown>();
  const log = { debug: quiet, info: quiet, warn: quiet, error: (_: string, fields: object) => refused.resolve(fields) };
  const core = open({ url: plane.url, secretKey: otherSecretKey, log });
  expect(await refused.promise).toMatchObject({ cause: "refused" });
  await expect(core.ready(1)).rejects.toThrow(/after 1 ms: .*unauthenticated/);
  expect(core.status()).toMatchObject({ state: "NOT_READY", error: { name: "ConnectError" } });
});

test("a server that is gone leaves answers as they are, and comes back", async () => {
  const files = new Files({ a: 1 });
  const first = await startPlane(files);
  const core = open({ url: first.url });
  await core.ready(20_000);
  await first.kill();
  await until(core, ({ state }) => state === "STALE");
  expect(explained(core)).toBe(1);
  expect(core.status().staleFor).toBeGreaterThan(0);

  files.params({ a: 2 });
  const { epoch } = core.status();
  await startPlane(files, first.port);
  const back = await until(core, (status) => status.state === "READY" && status.epoch > epoch);
  expect(back.error).toBe(undefined);
  expect(explained(core)).toBe(2);
});

/** Leaves a folder with what two revisions have left, and returns its settings. */
async function cached(): Promise<Config & { url: string; cacheDir: string }> {
  const files = new Files({ a: 1 });
  const plane = await startPlane(files);
  const config = { url: plane.url, cacheDir: newFolder() };
  for (const revision of [1, 2]) {
    const core = open(config);
    await until(core, (status) => status.revision === revision && status.state === "READY");
    await core.close();
    files.params({ a: 2 });
  }
  await plane.kill();
  return config;
}

test("with everything down it starts from its disk", async () => {
  const config = await cached();
  const core = open(config);
  expect(core.status().state).toBe("STALE");
  expect(explained(core)).toBe(2);
  await core.ready();
  expect(open({ ...config, services: ["t"] }).status().state).toBe("NOT_READY");
});

test("a data plane starts from what a client has kept", async () => {
  const config = await cached();
  const plane = await startFollower(config.url, config.cacheDir);
  const body = JSON.stringify({ services: ["s"], context: user });
  const response = await fetch(`${plane.url}/experiment`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  expect(await response.json()).toMatchObject({ results: { s: { parameters: { a: 2 } } } });
});

test("a damaged file is set aside, and the one before is used", async () => {
  const config = await cached();
  const file = join(config.cacheDir, "current.strata");
  const data = readFileSync(file);
  data[data.length - 9] = (data[data.length - 9] ?? 0) ^ 1;
  writeFileSync(file, data);
  expect(explained(open(config))).toBe(1);
  expect(readdirSync(config.cacheDir).filter((name) => name.startsWith("current.strata.corrupt-")).length).toBe(1);
});

test("behind a proxy that buffers answers it fetches", async () => {
  const files = new Files({ a: 1 });
  const plane = await startPlane(files);
  const fetched = signal();
  const proxy = await serve((request, response) => {
    const { method, url, headers } = request;
    const on = requestHTTP(`${plane.url}${url}`, { method: method ?? "POST", headers }, (answered) => {
      const chunks: Buffer[] = [];
      answered.on("data", (chunk: Buffer) => chunks.push(chunk));
      answered.on("error", () => response.destroy());
      answered.on("end", () => {
        response.writeHead(answered.statusCode ?? 502, answered.headers).end(Buffer.concat(chunks));
        if (url?.endsWith("/Fetch")) {
          fetched.resolve();
        }
      });
    });
    on.on("error", () => response.destroy());
    response.once("close", () => on.destroy());
    request.pipe(on);
  });
  const core = open({ url: proxy.url }, { hello: 200, watchAgain: 60_000 });
  await core.ready(20_000);
  await fetched.promise;
  expect(answer(core)).toBe(1);
  files.params({ a: 2 });
  await until(core, ({ revision, state }) => revision === 2 && state === "READY");
  expect(answer(core)).toBe(2);
});

test("exposures and events reach the data plane, which takes them", async () => {
  const plane = await startPlane(new Files({ a: 1 }));
  const core = open({ url: plane.url });
  await core.ready(20_000);
  expect(answer(core)).toBe(1);
  core.record({ name: "checkout", context: user, value: 9.5, properties: { items: 3 } });
  await core.close();
  expect(core.status()).toMatchObject({ state: "CLOSED", dropped: 0 });
});

test("a process ends while its client follows", async () => {
  const plane = await startPlane(new Files({ a: 1 }));
  const program = `
    const { Client } = await import(process.argv[1]);
    const client = new Client({ url: ${JSON.stringify(plane.url)}, secretKey: ${JSON.stringify(secretKey)} });
    await client.ready(20_000);
    process.stdout.write(String(client.evaluate("s", { user_id: "u" }).getInt("a", -1)));`;
  expect(await run(program)).toEqual({ code: 0, out: "1" });
});

/** Runs a program with the SDK, built, in a process of its own. */
async function run(program: string): Promise<{ code: number | null; out: string }> {
  const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
  const build = mkdtempSync(join(modules, ".strata-")); // where what it imports is found
  onTestFinished(() => rmSync(build, { recursive: true, force: true }));
  const project = fileURLToPath(new URL("../../tsconfig.json", import.meta.url));
  execFileSync(process.execPath, [
    join(modules, "typescript/bin/tsc"),
    "--project",
    project,
    "--noCheck",
    "--outDir",
    build,
  ]);
  const args = ["--input-type=module", "--eval", program, join(build, "index.js")];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { code, out };
}
