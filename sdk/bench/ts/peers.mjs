// What others' SDKs for Node take for the workload that Strata's own benchmark
// has: see ../README.md. Prints name, nanoseconds an evaluation (median), a line
// each.
import { GrowthBookClient } from "@growthbook/growthbook";
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk";
import { InMemStorageProvider, Unleash } from "unleash-client";

import { layers, measure } from "./measure.mjs";

const growthbook = new GrowthBookClient();
await growthbook.initSync({
  payload: {
    features: Object.fromEntries(
      layers.map((i) => [
        `layer_${i}`,
        {
          defaultValue: { [`value_${i}`]: 0 },
          rules: [
            {
              condition: { country: "US", age: { $gte: 18 } },
              hashAttribute: "user_id",
              key: `layer_${i}`,
              variations: [{ [`value_${i}`]: 1 }, { [`value_${i}`]: 2 }],
              weights: [0.5, 0.5],
            },
          ],
        },
      ]),
    ),
  },
});
await measure("growthbook 1.8.0 GrowthBookClient, 10 features", (user) => {
  const context = { attributes: user };
  for (const i of layers) {
    if (growthbook.evalFeature(`layer_${i}`, context).source !== "experiment") throw new Error("no experiment");
  }
});

const unleash = new Unleash({
  appName: "bench",
  url: "http://127.0.0.1:1/",
  refreshInterval: 0,
  metricsInterval: 0,
  disableMetrics: true,
  skipInstanceCountWarning: true,
  storageProvider: new InMemStorageProvider(),
  bootstrap: {
    data: layers.map((i) => ({
      name: `layer_${i}`,
      type: "experiment",
      enabled: true,
      stale: false,
      impressionData: false,
      strategies: [
        {
          name: "flexibleRollout",
          parameters: { rollout: "100", stickiness: "userId", groupId: `layer_${i}` },
          constraints: [
            { contextName: "country", operator: "IN", values: ["US"] },
            { contextName: "age", operator: "NUM_GTE", value: "18" },
          ],
        },
      ],
      variants: [1, 2].map((v) => ({
        name: `v${v}`,
        weight: 500,
        weightType: "variable",
        stickiness: "userId",
        payload: { type: "json", value: JSON.stringify({ [`value_${i}`]: v }) },
      })),
    })),
  },
});
unleash.on("error", () => {}); // there is no server
await new Promise((resolve) => unleash.once("ready", resolve));
await measure("unleash-client 6.12.1 getVariant, 10 features", (user) => {
  const context = { userId: user.user_id, properties: { country: user.country, age: user.age } };
  for (const i of layers) {
    if (!unleash.getVariant(`layer_${i}`, context).enabled) throw new Error("no variant");
  }
});
unleash.destroy();

await OpenFeature.setProviderAndWait(
  new InMemoryProvider(
    Object.fromEntries(
      layers.map((i) => [
        `layer_${i}`,
        { disabled: false, defaultVariant: "on", variants: { on: { [`value_${i}`]: 1 } } },
      ]),
    ),
  ),
);
const openfeature = OpenFeature.getClient();
await measure("@openfeature/server-sdk 1.23.0 in-memory, 10 static objects", async (user) => {
  for (const i of layers) {
    await openfeature.getObjectValue(`layer_${i}`, {}, { targetingKey: user.user_id, ...user });
  }
});
await OpenFeature.close();
process.exit(0); // timers of others
