/**
 * Runs the engine over vectors that sdk/conformance has prepared.
 *
 *   node conformance.mjs FILE
 *
 * It prints how many cases passed and how many failed, names what failed on stderr, and
 * exits with 1 if any did. It exits with 2 if it can not read the file, or does not know
 * a list or a name in it.
 */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

import { fromBinary } from "@bufbuild/protobuf";

import { keyText, Ruleset, slot, Truth } from "./dist/engine/index.js";
import { loadWasm, wasm } from "./dist/engine/wasm.js";
import { xxh64 } from "./dist/engine/xxh64.js";
import { SnapshotSchema } from "./dist/gen/strata/config/v1/config_pb.js";

function same(what, got, want) {
  if (!isDeepStrictEqual(got, want)) {
    throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

function rulesOf({ snapshot }) {
  return Ruleset.compile(undefined, fromBinary(SnapshotSchema, Buffer.from(snapshot, "base64")));
}

function checkHash({ input, hash }) {
  same("hash", xxh64(input), hash);
  same("hash by WebAssembly", wasm()?.h64ToString(input), hash);
}

function checkSlot({ salt, key, slot: want }) {
  same("slot", slot(salt, key), want);
}

function checkKey({ value, key }) {
  same("key", keyText(value), key);
}

function checkRule(vector) {
  const rules = rulesOf(vector);
  const { rule } = rules.explain("s", vector.context).layers[0];
  const names = Object.entries(Truth).find(([, truth]) => truth === rule?.truth);
  same("truth", `TRUTH_${names?.[0]}`, vector.truth);
  // An evaluation only asks whether the rule is TRUE.
  same("matched", rules.evaluate("s", vector.context).vids.length > 0, vector.truth === "TRUTH_TRUE");
}

function checkCase(vector) {
  const rules = rulesOf(vector);
  const { request, results } = vector;
  const others = Object.keys(results).filter((service) => !request.services.includes(service));
  same("results that the request does not name", others, []);
  for (const service of request.services) {
    const want = results[service] ?? {};
    const got = rules.evaluate(service, request.context, request.layers);
    same(`${service}: vids`, got.vids, want.vids ?? []);
    same(`${service}: matched_layers`, got.matchedLayers, want.matched_layers ?? []);
    same(`${service}: parameters`, whole(JSON.parse(got.parameters)), whole(want.parameters ?? {}));
  }
}

function checkRead(vector) {
  const { service, context, path } = vector;
  const rules = rulesOf(vector);
  const { matches, ...result } = readAt(rules, service, context, path);
  same("found", result.text !== "", "value" in vector);
  same("value", whole(result.value), whole(vector.value));
  same("text", result.text === "" ? undefined : whole(JSON.parse(result.text)), whole(vector.value));
  same("known", rules.knows(service, path), vector.known);
  same("winner", matches[result.winner]?.layerId ?? "", vector.winner);
  const exposures = [];
  for (const [i, { layerId, hashKey, salt, eid, vid }] of matches.entries()) {
    const hidden = result.hidden.includes(i);
    if (hidden || result.exposed.includes(i)) {
      const key = keyText(context[hashKey]);
      exposures.push({ layer_id: layerId, eid, vid, slot: slot(salt, key), hidden });
    }
  }
  same("exposures", exposures, vector.exposures);
}

function readAt(rules, service, context, path) {
  const result = rules.evaluate(service, context);
  return { ...result.read(path), matches: result.matches };
}

/** Returns a JSON value in which -0 is 0. */
function whole(value) {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

const lists = {
  hashes: [checkHash, ["name", "input", "hash"]],
  slots: [checkSlot, ["name", "salt", "key", "slot"]],
  keys: [checkKey, ["name", "value", "key"]],
  rules: [checkRule, ["name", "snapshot", "context", "truth"]],
  cases: [checkCase, ["name", "snapshot", "request", "results"]],
  reads: [checkRead, ["name", "snapshot", "service", "context", "path", "value", "known", "winner", "exposures"]],
};

function load(file) {
  const cases = [];
  for (const [name, vectors] of Object.entries(JSON.parse(readFileSync(file, "utf8")))) {
    if (!Object.hasOwn(lists, name)) {
      throw new Error(`an unknown list: ${name}`);
    }
    const [check, known] = lists[name];
    for (const vector of vectors) {
      const unknown = Object.keys(vector).filter((key) => !known.includes(key));
      if (unknown.length > 0) {
        throw new Error(`${name}: ${vector.name}: unknown: ${unknown.join(", ")}`);
      }
      cases.push([check, vector]);
    }
  }
  return cases;
}

function run(file) {
  let cases;
  try {
    cases = load(file);
  } catch (error) {
    console.error(`typescript: ${file}: ${error.message}`);
    return 2;
  }
  let failed = 0;
  for (const [check, vector] of cases) {
    try {
      check(vector);
    } catch (error) {
      failed++;
      console.error(`typescript: ${vector.name}: ${error.message}`);
    }
  }
  console.log(`typescript: ${cases.length - failed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

await loadWasm();
process.exitCode = run(process.argv[2] ?? "");
