import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import * as sdk from "../../src/index.js";
import { software } from "../../src/version.js";

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

test("the names that users see", () => {
  const names = [...read("src/index.ts").matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = ""]) =>
    list.split(",").map((name) => name.trim()),
  );
  const want = ["Change", "Client", "Config", "Context", "Evaluation", "Event", "Explanation", "Parameter", "Status"];
  expect(new Set(names)).toEqual(new Set(want));
  expect(read("src/index.ts")).not.toMatch(/export (\*|default|const|class|function)/);
  expect(Object.keys(sdk)).toEqual(["Client"]);
});

test("servers are told the version of the package", () => {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  expect(software).toBe(`strata-ts/${version}`);
});
