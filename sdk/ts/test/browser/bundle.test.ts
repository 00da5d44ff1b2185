import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";

const entry = "entry";

/** Bundles a program as for browsers. */
async function bundle(program: string) {
  const build = await rolldown({
    input: entry,
    platform: "browser",
    plugins: [
      {
        name: entry,
        resolveId: (id) => (id === entry ? new URL("entry.js", import.meta.url).pathname : undefined),
        load: (id) => (id.endsWith("/entry.js") ? program : undefined),
      },
    ],
  });
  const { output } = await build.generate({ format: "esm", minify: true });
  await build.close();
  expect(output.length).toBe(1);
  return output[0];
}

test("a bundle for browsers has no engine in it, and asks for little", async () => {
  const program = `import { Client } from "@strata-exp/sdk"; globalThis.client = new Client({ url: "", services: [] });`;
  const { code, modules, imports } = await bundle(program);
  const files = Object.keys(modules).map((id) => id.replace(/^.*\/dist\//, ""));
  expect(files).toContain("remote/client.js");
  // Of the engine, what says how texts and paths are written.
  const shared = new Set(["engine/path.js", "engine/text.js", "engine/types.js"]);
  expect(files.filter((file) => /^(engine|gen|follow|view|lastgood)\//.test(file) && !shared.has(file))).toEqual([]);
  expect(files.filter((file) => file.includes("node_modules"))).toEqual([]);
  expect(imports).toEqual([]);
  expect(code).not.toMatch(/node:|WebAssembly|\beval\(|new Function/);
  expect(gzipSync(code).length).toBeLessThan(8_000);
});
