// The package as users get it.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const sdk = fileURLToPath(new URL("../../", import.meta.url));
const consumer = mkdtempSync(join(tmpdir(), "strata-consumer-"));
/** What `npm pack` says of the package. */
let packed: { filename: string; files: { path: string }[] };

beforeAll(async () => {
  const answer = await run(sdk, "npm", "pack", "--json", "--pack-destination", consumer);
  [packed] = JSON.parse(answer) as [typeof packed];
  // The settings of npm here: of registries it takes those of the machine.
  writeFileSync(join(consumer, ".npmrc"), readFileSync(join(sdk, ".npmrc")));
  write("package.json", { name: "consumer", private: true, type: "module" });
  await run(consumer, "npm", "install", "--prefer-offline", "--no-save", `./${packed.filename}`);
}, 120_000);
afterAll(() => rmSync(consumer, { recursive: true, force: true }));

/** Runs a program, and returns what it writes. What it writes is in the error if it fails. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { cwd, maxBuffer: 1 << 26 })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(" ")}\n${stdout}\n${stderr}`, { cause: error });
  }
}

function write(name: string, content: unknown): void {
  writeFileSync(join(consumer, name), typeof content === "string" ? content : JSON.stringify(content));
}

test("it says what it is", { timeout: 120_000 }, async () => {
  expect(await run(sdk, "npm", "run", "--silent", "check-package")).toContain("All good!");
});

test("it has what was built, and nothing else", () => {
  const names = packed.files.map(({ path }) => path);
  expect(names.filter((name) => !name.startsWith("dist/")).sort()).toEqual(["LICENSE", "README.md", "package.json"]);
  expect(names.filter((name) => !/\.(js|d\.ts|md|json)$|^LICENSE$|^dist\/\.built$/.test(name))).toEqual([]);
  expect(names).toContain("dist/gen/strata/serving/v1/evaluation_pb.js");
  expect(readFileSync(join(sdk, "LICENSE"), "utf8")).toBe(readFileSync(join(sdk, "../../LICENSE"), "utf8"));
});

test("it runs with what it depends on alone", { timeout: 60_000 }, async () => {
  const program = `
    const { Client } = await import("@strata-exp/sdk");
    const client = new Client({ url: "http://127.0.0.1:1" });
    process.stdout.write(client.evaluate("s", {}).getString("a", "default"));
    await client.close();`;
  expect(await run(consumer, process.execPath, "--input-type=module", "--eval", program)).toBe("default");
});

const typeRoots = [join(sdk, "node_modules/@types")];
const types = {
  // As a program for Node sees it.
  node: [
    { module: "nodenext", types: ["node"], typeRoots },
    "new Client({ url: 'http://localhost:8080', secretKey: undefined })",
  ],
  // As a bundler for browsers does, by the condition and by the name of its own.
  condition: [
    { module: "preserve", moduleResolution: "bundler", customConditions: ["browser"] },
    "new Client({ url: 'http://localhost:8080', services: ['s'] }); void client.load({})",
  ],
  browser: [
    { module: "preserve", moduleResolution: "bundler" },
    "new Client({ url: 'http://localhost:8080', services: ['s'] }); void client.load({})",
  ],
} as const;

test.each(Object.entries(types))("it has types: %s", { timeout: 60_000 }, async (name, [options, client]) => {
  write(
    `${name}.ts`,
    `import { Client, type Change, type Parameter } from "@strata-exp/sdk${name === "browser" ? "/browser" : ""}";
    const client = ${client};
    const stop: () => void = client.onChange((change: Change) => change.keys.join());
    const e = client.evaluate("s", { user_id: "u", age: 5 });
    const text: string = e.getString("a", "b") + e.getInt("n", 1);
    const parameter: Parameter = e.lookup("a");
    // @ts-expect-error
    const wrong: number = e.getString("a", "b");
    export { stop, text, parameter, wrong };`,
  );
  const all = {
    strict: true,
    target: "es2022",
    lib: ["es2022", "dom"],
    types: [],
    noEmit: true,
    exactOptionalPropertyTypes: true,
  };
  write(`tsconfig.${name}.json`, { compilerOptions: { ...all, ...options }, files: [`${name}.ts`] });
  const tsc = join(sdk, "node_modules/typescript/bin/tsc");
  expect(await run(consumer, process.execPath, tsc, "--project", `tsconfig.${name}.json`)).toBe("");
});
