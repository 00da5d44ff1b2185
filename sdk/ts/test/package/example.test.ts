// The example for Node, with the configuration of the demo.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

import { Key } from "../../src/accesskey.js";
import { secretKey } from "../client/planes.js";
import { Folder, root, startDataPlane } from "../dataplane.js";

test("the example", { timeout: 60_000 }, async () => {
  const keys = new Folder();
  onTestFinished(() => keys.remove());
  const { accessKey, publicKey } = Key.parse("", secretKey);
  const key = { access_key: accessKey, public_key: publicKey.toString("base64"), name: "sdk", role: "ROLE_SDK" };
  keys.write("keys.json", { access_keys: [{ key }] });
  const flags = ["--environment=demo", `--keys-file=${join(keys.path, "keys.json")}`];
  const plane = await startDataPlane(join(root, "examples/configs"), ...flags);
  onTestFinished(() => plane.kill());
  const env = { STRATA_URL: plane.url, STRATA_SECRET_KEY: secretKey };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(root, "examples/ts/main.mjs")], { env });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^algorithm: gbdt$/m);
  expect(stdout).toMatch(/value: 'v2.1'[^]*reason: 'TARGETING_MATCH'[^]*layerId: 'ranker_model'/);
  expect(await plane.metric('strata_exposures_total{hidden="false",service="ranker_svc"}')).toBeGreaterThan(0);
});
