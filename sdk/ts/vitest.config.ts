import { defineConfig } from "vitest/config";

export default defineConfig({
  // src/gen is a link to the generated code; what that imports is found from here.
  resolve: { preserveSymlinks: true },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    // What browsers have, and the web provider of OFREP uses.
    execArgv: ["--experimental-eventsource"],
  },
});
