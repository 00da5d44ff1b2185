// Data planes behind one address, of which some are behind others.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";

import { Core } from "../../src/remote/core.js";
import { resolve } from "../../src/remote/settings.js";
import { defaultTimes } from "../../src/remote/times.js";
import { signal } from "../client/servers.js";

/** Answers with one revision after another, the last one again and again. */
async function serve(...revisions: number[]) {
  const asked: number[] = [];
  const { promise: streaming, resolve: begin } = signal<ServerResponse>();
  const server = createServer((request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    if (request.url?.startsWith("/ofrep/")) {
      response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
      begin(response);
      return;
    }
    const revision = revisions[Math.min(asked.length, revisions.length - 1)] ?? 0;
    asked.push(revision);
    const ids = { insert_id: "i", time: "2026-01-31T12:00:00Z", service: "s", layer_id: "l", hash_key: "u", key: "k" };
    const exposure = {
      ...ids,
      slot: 1,
      eid: 1,
      vid: 1,
      epoch: "5",
      revision: String(revision),
      path: "",
      hidden: false,
    };
    const leaf = { path: "r", winner: 0, exposed: [0], hidden: [] };
    const result = { parameters: { r: revision }, vids: [1], matched_layers: ["l"], exposures: [exposure] };
    const results = { s: { ...result, leaves: [leaf], branches: [], ruled: [] } };
    request
      .resume()
      .on("end", () => response.end(JSON.stringify({ responses: [{ results, revision: String(revision) }] })));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const core = new Core(resolve({ url, services: ["s"], context: { u: "k" } }), {
    ...defaultTimes,
    calm: 5,
    firstPause: 5,
    longestPause: 10,
  });
  onTestFinished(() => core.close());
  const stream = await streaming; // which begins with the first answer
  const shows = () => core.evaluate("s", { u: "k" }).getInt("r", 0);
  const until = (revision: number) =>
    new Promise<void>((done) => {
      const look = () => shows() === revision && done();
      core.onChange(look);
      look();
    });
  return { core, asked, shows, until, tell: (position: string) => stream.write(`id: ${position}\ndata: {}\n\n`) };
}

test("it asks again until a server has what it was told of", async () => {
  const plane = await serve(7, 7, 8, 9);
  plane.tell("5-9");
  await plane.until(9);
  expect(plane.asked.slice(0, 4)).toEqual([7, 7, 8, 9]);
  expect(plane.core.status()).toMatchObject({ revision: 9, epoch: 5 });
});

test("it does not go back to what an older server has", async () => {
  const plane = await serve(7, 8, 7, 7, 9);
  plane.tell("5-8");
  await plane.until(8);
  plane.tell("5-9");
  const seen = new Set<number>();
  plane.core.onChange(() => seen.add(plane.shows()));
  await plane.until(9);
  expect(plane.asked).toEqual([7, 8, 7, 7, 9]);
  expect(seen).not.toContain(7);
  expect(plane.core.status().error).toBe(undefined);
});
