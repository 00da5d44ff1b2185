// Reads parts of what was answered, and compares with what the data plane reads itself.
import { expect, onTestFinished, test } from "vitest";

import type { Context } from "../../src/engine/types.js";
import { Core } from "../../src/remote/core.js";
import { resolve } from "../../src/remote/settings.js";
import { defaultTimes } from "../../src/remote/times.js";
import { Folder, type LogLine, startDataPlane } from "../dataplane.js";

/** Layers that hide each other in all ways, with what other variants have. */
const experiments = [
  {
    eid: 1,
    service: "svc",
    variants: [
      { vid: 10, params: { a: { x: 1 }, n: null, e: {}, s: "top", l: [{ x: 1 }] } },
      { vid: 11, params: { a: { y: { z: 1 } }, e: { f: 1 }, "dot.ted": 1, gone: { deep: 1 } } },
    ],
  },
  {
    eid: 2,
    service: "svc",
    rule: { type: "field", field: "plan", op: "eq", values: ["gold"] },
    variants: [
      { vid: 20, params: { a: 5, n: 1, e: { g: {} }, s: { t: 1 }, "dot.ted": 2, "back\\slash": { "": 1 }, "": 3 } },
      { vid: 21, params: { a: { x: 2 } } },
    ],
  },
  {
    eid: 3,
    service: "svc",
    variants: [{ vid: 30, params: { a: { x: 3, y: 4 }, s: 1, e: { g: { h: 1 }, f: 2 }, only: { here: true } } }],
  },
];

const paths = [
  ["", "a", "a.x", "a.y", "a.y.z", "a.x.q", "n", "n.m", "e", "e.f", "e.g", "e.g.h", "s", "s.t", "l", "l.x"],
  [
    "dot\\.ted",
    "dot.ted",
    "back\\slash",
    "back\\\\slash",
    "back\\slash.",
    "gone",
    "gone.deep",
    "only",
    "only.here",
    ".",
  ],
].flat();
const contexts = [{ user_id: "u", plan: "gold" }, { user_id: "u", plan: "free" }, { plan: "gold" }];

/** Reads a flag of OFREP, which records who is exposed. Null is no value there. */
async function readThere(url: string, context: object, path: string) {
  const flag = path === "" ? "svc" : `svc.${path}`;
  const response = await fetch(`${url}/ofrep/v1/evaluate/flags/${encodeURIComponent(flag)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Strata-Exposures": "record" },
    body: JSON.stringify({ context }),
  });
  const { value, reason, variant, metadata } = (await response.json()) as Record<string, unknown>;
  if (response.status === 404 || reason === "DEFAULT") {
    return { path, known: response.status !== 404, reason: "DEFAULT" };
  }
  const { layer, experiment, slot } = metadata as Record<string, unknown>;
  return { path, known: true, reason, value, variant, layer, experiment, slot };
}

/** Reads the same with a client of its own. What is not known there, is not read here. */
async function readHere(url: string, context: Context, path: string, known: boolean) {
  const core = new Core(resolve({ url, services: ["svc"] }), defaultTimes);
  await core.load(context);
  const found = known ? core.evaluate("svc", context).lookup(path) : undefined;
  const knows = core.knows("svc", path);
  await core.close();
  if (found === undefined || found.reason === "DEFAULT" || found.error === "NOT_FOUND") {
    return { path, known: known || knows, reason: "DEFAULT" };
  }
  const { value, reason, vid, layerId: layer, eid: experiment, slot } = found;
  return { path, known: knows, reason, value: value ?? undefined, variant: String(vid), layer, experiment, slot };
}

test("what is read, and who is exposed, is what the data plane says", { timeout: 60_000 }, async () => {
  const folder = new Folder();
  onTestFinished(() => folder.remove());
  folder.layers(...experiments);
  const plane = await startDataPlane(folder.path, "--log-level=info,events=debug");
  onTestFinished(() => plane.kill());
  for (const context of contexts) {
    for (const path of paths) {
      const there = await readThere(plane.url, context, path);
      expect(await readHere(plane.url, context, path, there.known)).toEqual(there);
    }
  }
  await plane.kill();
  const exposures = plane.logged().filter(({ msg }) => msg === "exposure");
  const sent = (byUs: boolean) => exposures.filter(({ client }) => (client !== "") === byUs);
  expect(sent(true).length).toBeGreaterThan(50);
  expect(sent(true).map(textOf).sort()).toEqual(sent(false).map(textOf).sort());
});

function textOf({ service, path, layer_id, key, slot, eid, vid, epoch, revision, hidden }: LogLine): string {
  return JSON.stringify({ service, path, layer_id, key, slot, eid, vid, epoch, revision, hidden });
}
