// Drives the TypeScript SDK: see package sdks.
import { Console } from "node:console";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { Client } from "../../../ts/dist/index.js";

const services = (process.env.STRATA_SERVICES ?? "").split(",").filter((name) => name !== "");
const client = new Client({ services, log: new Console(process.stderr) });

const say = (what, value) => process.stdout.write(`${JSON.stringify({ [what]: value })}\n`);

client.onChange((change) => {
  const at = Math.round((performance.timeOrigin + performance.now()) * 1000);
  say("change", { state: change.stateAfter, revision: change.revisionAfter, keys: change.keys, at });
});

const answers = {
  evaluate({ service, context, paths }) {
    const evaluation = client.evaluate(service, context);
    const parameters = paths.map((path) => {
      const { layerId, value, ...rest } = evaluation.lookup(path);
      return { ...rest, value: value ?? null, layer_id: layerId };
    });
    return { revision: parameters.at(-1).revision, parameters };
  },

  status() {
    const { state, revision, staleFor, dropped } = client.status();
    return { state, revision, stale_millis: Math.round(staleFor), dropped };
  },

  // Evaluates for each context in turn and reads the paths as integers. The time is the
  // median of the rounds for one evaluation with its reads.
  measure({ service, contexts, paths, millis }) {
    const rounds = [];
    const until = performance.now() + millis;
    while (rounds.length < 5 || performance.now() < until) {
      const start = process.hrtime.bigint();
      for (const context of contexts) {
        const evaluation = client.evaluate(service, context);
        for (const path of paths) {
          if (evaluation.getInt(path, -1) < 0) {
            throw new Error(`no value at ${path}`);
          }
        }
      }
      rounds.push(Number(process.hrtime.bigint() - start) / contexts.length);
    }
    rounds.shift(); // fills caches
    rounds.sort((a, b) => a - b);
    globalThis.gc?.();
    return { nanos: Math.round(rounds[Math.floor(rounds.length / 2)]), memory: resident() };
  },
};

// How much memory the process holds, in bytes.
function resident() {
  return Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  say("answer", answers[question.do](question));
}
await client.close();
