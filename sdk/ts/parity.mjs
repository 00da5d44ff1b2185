/**
 * Answers evaluations for a comparison with the other engines.
 *
 * Each line of stdin is a configuration with requests, and each line of stdout the
 * answers; sdk/conformance says how they are written. Each configuration is compiled from
 * the one of the line before, too, so that what revisions share is part of what is
 * compared.
 */
import { isDeepStrictEqual } from "node:util";

import { fromBinary } from "@bufbuild/protobuf";

import { changed, Faults, Ruleset } from "./dist/engine/index.js";
import { SnapshotSchema } from "./dist/gen/strata/config/v1/config_pb.js";

function answer(rules, { service, context, layers, paths }) {
  const result = rules.evaluate(service, context, layers ?? []);
  const explained = rules.explain(service, context, layers ?? []);
  const { parameters, vids } = explained.result;
  if (parameters !== result.parameters || !isDeepStrictEqual(vids, result.vids)) {
    throw new Error("explained something else than what was evaluated");
  }
  const readings = (paths ?? []).map((path) => {
    const { text, winner, exposed, hidden } = result.read(path);
    return [path, text === "" ? null : text, winner, exposed, hidden, rules.knows(service, path)];
  });
  const outcomes = explained.layers.map(({ layerId, outcome, slot, vid }) => [layerId, outcome, slot, vid]);
  return [result.parameters, result.vids, result.matchedLayers, outcomes, readings];
}

function compiled(previous, snapshot) {
  try {
    return Ruleset.compile(previous, fromBinary(SnapshotSchema, snapshot));
  } catch (error) {
    if (error instanceof Faults) {
      return undefined;
    }
    throw error;
  }
}

/** Yields lines that end with a line feed; readline would take others for ends, too. */
async function* linesOf(input) {
  let rest = "";
  for await (const chunk of input.setEncoding("utf8")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    yield* lines;
  }
}

let previous;
for await (const line of linesOf(process.stdin)) {
  const { snapshot: encoded, requests } = JSON.parse(line);
  const snapshot = Buffer.from(encoded, "base64");
  const rules = compiled(undefined, snapshot);
  const shared = compiled(previous, snapshot);
  let answered = { refused: true };
  if ((rules === undefined) !== (shared === undefined)) {
    throw new Error("what is refused depends on what was there before");
  }
  if (rules && shared) {
    const answers = requests.map((request) => answer(shared, request));
    const again = requests.map((request) => answer(rules, request));
    if (!isDeepStrictEqual(answers, again)) {
      throw new Error("answers depend on what was there before");
    }
    answered = { answers, changed: changed(previous, shared) };
    previous = shared;
  }
  process.stdout.write(`${JSON.stringify(answered)}\n`);
}
