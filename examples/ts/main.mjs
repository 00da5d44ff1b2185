// @ts-check
// Asks the SDK for a parameter of the demo and where it comes from. With `make run` in
// another terminal:
//
//     make sdks
//     eval "$(bin/strata keys create example-ts --role sdk --env demo)"
//     node examples/ts/main.mjs
//
// The second line sets STRATA_ACCESS_KEY and STRATA_SECRET_KEY, which the client takes.
import { Client } from "../../sdk/ts/dist/index.js"; // elsewhere "@strata-exp/sdk"

const { STRATA_URL: url = "http://localhost:8080", STRATA_ENVIRONMENT: environment = "demo" } = process.env;
const client = new Client({ url, environment });
try {
  await client.ready(10_000);
} catch (error) {
  console.error(error); // and go on: there are the defaults
}
const e = client.evaluate("ranker_svc", { user_id: "user_12345", country: "US", age: 25 });
console.log("algorithm:", e.getString("algorithm", "baseline"));
console.log("model.version:", e.lookup("model.version"));
await client.close(); // sends the exposures
