import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";

import { type Content, LastGood } from "../../src/lastgood.js";
import { decode, encode } from "../../src/lastgood/format.js";
import { safe } from "../../src/log.js";
import { positionText } from "../../src/view.js";
import { tokenOf, viewOf } from "./views.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "strata-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

function contentOf(revision: number, more: Partial<Content> = {}): Content {
  const view = viewOf(revision, { text: `é${revision}` });
  return { upstream: "http://a", environment: "prod", services: ["s", "t"], view, token: tokenOf(view), ...more };
}

/** Writes contents, one after the other. */
async function write(...contents: Content[]): Promise<LastGood> {
  let store = new LastGood(folder, safe(undefined));
  for (const content of contents) {
    store = new LastGood(folder, safe(undefined));
    store.put(content);
    await store.flush();
  }
  return store;
}

function load(upstream = "http://a", environment = "prod", services: string[] = ["t", "s"]): Content | undefined {
  return new LastGood(folder, safe(undefined)).load(upstream, environment, services);
}

/** The names of the files in the folder, in order. */
function names(): string[] {
  const all = readdirSync(folder);
  all.sort();
  return all;
}

const revisionOf = (content: Content | undefined) => content && Number(content.view.position.revision);

test("what was written comes back", async () => {
  const content = contentOf(7);
  await write(content);
  const got = load();
  expect(got && positionText(got.view.position)).toBe("revision 7 of epoch 1");
  expect(got?.view.hash).toEqual(content.view.hash);
  expect(got?.token).toEqual(content.token);
  expect([got?.upstream, got?.environment, got?.services]).toEqual(["http://a", "prod", ["s", "t"]]);
});

test("there is nothing where nothing was written", () => {
  expect(load()).toBe(undefined);
});

test("two generations are kept, and the newest one is used", async () => {
  await write(contentOf(1), contentOf(2), contentOf(3));
  expect(names()).toEqual(["current.strata", "previous.strata"]);
  expect(revisionOf(load())).toBe(3);
  rmSync(join(folder, "current.strata"));
  expect(revisionOf(load())).toBe(2);
});

test("where one process is behind another, what is newer is used", async () => {
  await write(contentOf(5), contentOf(4));
  expect(revisionOf(load())).toBe(5);
});

test("of several that are put at once the newest is written", async () => {
  const store = new LastGood(folder, safe(undefined));
  for (let i = 1; i <= 20; i++) {
    store.put(contentOf(i));
  }
  await store.flush();
  expect(revisionOf(load())).toBe(20);
});

test("what is another's is passed over, and stays", async () => {
  await write(contentOf(1));
  expect(load("http://b")).toBe(undefined);
  expect(load("http://a", "dev")).toBe(undefined);
  expect(load("http://a", "prod", [])).toBe(undefined);
  expect(revisionOf(load())).toBe(1);
});

test("whatever of a file is damaged, it is set aside, and the one before is used", async () => {
  await write(contentOf(1), contentOf(2));
  const file = join(folder, "current.strata");
  const whole = readFileSync(file);
  const damaged = [
    ...Array.from(whole.keys(), (i) => Buffer.from(whole.map((byte, at) => (at === i ? byte ^ 0x41 : byte)))),
    ...Array.from(whole.keys(), (i) => whole.subarray(0, i)),
    Buffer.concat([whole, Buffer.of(0)]),
  ];
  for (const data of damaged) {
    writeFileSync(file, data);
    expect(revisionOf(load())).toBe(1);
    expect(readdirSync(folder)).not.toContain("current.strata");
  }
  const aside = readdirSync(folder).filter((name) => name.includes(".corrupt-"));
  expect(aside.length).toBeGreaterThan(0);
  expect(aside.length).toBeLessThanOrEqual(4);
});

test("a body that says something else than its hash is not taken", async () => {
  const content = contentOf(3);
  const other = contentOf(3, { view: viewOf(3, { other: true }) });
  const forged = Object.create(content.view, { hash: { value: other.view.hash } }) as Content["view"];
  const file = await encode({ ...content, view: forged });
  expect(() => decode(Buffer.from(file))).toThrow("another hash");
});

test("what a killed process has left is removed, and what is being written is not", async () => {
  await write(contentOf(1));
  const [old, young] = [join(folder, "writing-old"), join(folder, "writing-young")];
  writeFileSync(old, "x");
  utimesSync(old, 0, 0);
  writeFileSync(young, "x");
  expect(revisionOf(load())).toBe(1);
  expect(names()).toEqual(["current.strata", "writing-young"]);
});

test("processes may write at the same time", async () => {
  const stores = Array.from({ length: 8 }, () => new LastGood(folder, safe(undefined)));
  for (let round = 1; round <= 5; round++) {
    stores.forEach((store, i) => store.put(contentOf(round * 10 + i)));
    await Promise.all(stores.map((store) => store.flush()));
    expect(load()).toBeDefined();
  }
  expect(readdirSync(folder).filter((name) => name.startsWith("writing-"))).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.includes(".corrupt-"))).toEqual([]);
});

test("that nothing can be written is counted and logged once, and nothing else", async () => {
  const place = join(folder, "file");
  writeFileSync(place, "in the way");
  const lines: string[] = [];
  const log = safe({ debug() {}, info() {}, warn() {}, error: (message) => lines.push(message) });
  const store = new LastGood(place, log);
  store.put(contentOf(1));
  await store.flush();
  store.put(contentOf(2));
  await store.flush();
  expect(store.failures).toBe(2);
  expect(lines.length).toBe(1);
});
