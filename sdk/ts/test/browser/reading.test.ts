// Reads parts of what was answered, and compares with what the data plane reads itself.
import { expect, onTestFinished, test } from "vitest";

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

test("what is read, and who is exposed, is what the data plane says", { timeout: 60_000 }, async () => {
  const folder = new Folder();
  onTestFinished(() => folder.remove());
  folder.layers(...experiments);
  const plane = await startDataPlane(folder.path, "--log-level=info,events=debug");
  onTestFinished(async () => void (await plane.kill()));
  for (const context of contexts) {
    for (const path of paths) {
      const flag = path === "" ? "svc" : `svc.${path}`;
      const response = await fetch(`${plane.url}/ofrep/v1/evaluate/flags/${encodeURIComponent(flag)}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Strata-Exposures": "record" },
        body: JSON.stringify({ context }),
      });
      const said = (await response.json()) as { value?: unknown; reason?: string; variant?: string; metadata?: object };

      const core = new Core(resolve({ url: plane.url, services: ["svc"] }), defaultTimes);
      await core.load(context);
      const where = `${flag} of ${JSON.stringify(context)}`;
      if (response.status === 404) {
        expect(core.knows("svc", path), where).toBe(false);
        await core.close();
        continue;
      }
      const { value, reason, vid, slot, layerId, eid } = core.evaluate("svc", context).lookup(path);
      await core.close();
      // What nobody whom the page knows has set, it does not know.
      const unknown = said.reason === "DEFAULT" && reason === "ERROR";
      expect(unknown ? "DEFAULT" : reason, where).toBe(said.reason);
      if (said.reason !== "DEFAULT") {
        expect(value ?? undefined, where).toEqual(said.value); // null is left out there
        expect(String(vid), where).toBe(said.variant);
        expect(said.metadata, where).toMatchObject({ layer: layerId, experiment: eid, slot });
      }
    }
  }
  const exposures = (await plane.kill()).filter(({ msg }) => msg === "exposure");
  const [ours, theirs] = [true, false].map((is) =>
    exposures.filter(({ client }) => (client !== "") === is).map(textOf),
  );
  expect(ours?.length).toBeGreaterThan(50);
  expect(ours).toEqual(theirs);
});

function textOf({ service, path, layer_id, key, slot, eid, vid, epoch, revision, hidden }: LogLine): string {
  return JSON.stringify({ service, path, layer_id, key, slot, eid, vid, epoch, revision, hidden });
}
