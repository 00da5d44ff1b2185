// The example page in a browser, under a content security policy that allows next to nothing.
import { cpSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";

import { signal } from "../client/servers.js";
import { Folder, root, startDataPlane } from "../dataplane.js";
import { forward } from "../forward.js";

const executablePath = "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };

/** Serves the repository. Pages may load scripts from here, call a data plane, and do nothing else. */
async function serve(mayCall: () => string): Promise<string> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = join(root, normalize(pathname));
    if (!(extname(file) in types) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const policy = `default-src 'none'; script-src 'self'; connect-src ${mayCall()}`;
    const headers = { "Content-Type": types[extname(file)], "Content-Security-Policy": policy };
    response.writeHead(200, headers).end(readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// Whoever has no browser says so: then the test is skipped.
test.skipIf(process.env["STRATA_NO_BROWSER"] === "1")("the example page", { timeout: 60_000 }, async () => {
  expect(existsSync(executablePath), `${executablePath}: install chromium, or set STRATA_NO_BROWSER=1`).toBe(true);
  expect(existsSync(join(root, "sdk/ts/dist/browser.js")), 'sdk/ts/dist: run "make sdks"').toBe(true);
  const folder = new Folder();
  onTestFinished(() => folder.remove());
  cpSync(join(root, "examples/configs"), folder.path, { recursive: true });
  let allowed = "";
  const origin = await serve(() => allowed);
  const plane = await startDataPlane(folder.path, `--cors-origin=${origin}`);
  onTestFinished(() => plane.kill());
  const { promise: taken, resolve: take } = signal();
  const { url } = await forward(plane.port, {
    answered: (request) => request.startsWith("POST") && request.endsWith("/Record") && take(),
  });
  allowed = url;

  const browser = await chromium.launch({ executablePath, args });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(`${origin}/examples/browser/index.html?url=${url}`);
  const version = page.locator("#version");
  await version.filter({ hasText: '"v2.1"' }).waitFor();
  expect(await page.locator("#algorithm").textContent()).not.toBe("baseline");
  expect(JSON.parse((await version.textContent()) ?? "")).toMatchObject({
    value: "v2.1",
    reason: "TARGETING_MATCH",
    layerId: "ranker_model",
    eid: 100,
    vid: 1002,
    slot: 6587,
    revision: 1,
  });

  const file = "experiments/100_ranking_model.json";
  folder.write(file, JSON.parse(readFileSync(join(folder.path, file), "utf8").replaceAll("v2.1", "v2.2")));
  await version.filter({ hasText: '"v2.2"' }).waitFor();
  expect(said).toEqual([]);

  await page.goto("about:blank"); // what was read is sent as the page goes
  await taken;
  expect(await plane.metric('strata_exposures_total{hidden="false",service="ranker_svc"}')).toBeGreaterThan(0);
  expect(await plane.metric("strata_event_refusals_total")).toBe(0);
});
