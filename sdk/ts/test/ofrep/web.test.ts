import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { ErrorCode, OpenFeature, type Provider, ProviderEvents, StandardResolutionReasons } from "@openfeature/web-sdk";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Plane } from "./plane.js";

interface Call {
  search: string;
  ifNoneMatch: string | null;
  status: number;
  etag: string | null;
}

describe("the OFREP provider for browsers", () => {
  let plane: Plane;
  let calls: Call[];
  const somebody = { targetingKey: "user_12345", plan: "gold" };

  beforeEach(async () => {
    plane = await Plane.start();
    calls = [];
  });

  afterEach(async () => {
    await OpenFeature.close();
    await plane.stop();
  });

  /** Starts the provider, with some headers, and notes its calls. */
  async function begin(headers: [string, string][] = []) {
    await OpenFeature.setContext(somebody);
    const provider = new OFREPWebProvider({
      baseUrl: plane.url,
      cacheMode: "disabled",
      headers,
      fetchImplementation: async (input, init) => {
        const request = new Request(input, init);
        const response = await fetch(request);
        calls.push({
          search: new URL(request.url).search,
          ifNoneMatch: request.headers.get("If-None-Match"),
          status: response.status,
          etag: response.headers.get("ETag"),
        });
        return response;
      },
    });
    // Its optional members are not written as exactOptionalPropertyTypes has them.
    await OpenFeature.setProviderAndWait(provider as Provider);
    return { client: OpenFeature.getClient(), provider };
  }

  test("reads everything from one bulk evaluation", async () => {
    const { client } = await begin();
    const split = { reason: StandardResolutionReasons.SPLIT, variant: "2" };
    expect(client.getBooleanDetails("shop.new", false)).toMatchObject({ value: true, ...split });
    expect(client.getStringDetails("shop.title", "-")).toMatchObject({
      value: "new",
      ...split,
      flagMetadata: { version: "1", layer: "click", experiment: 10, slot: 7622 },
    });
    expect(client.getNumberDetails("shop.rate", 0)).toMatchObject({ value: 0.25, ...split });
    expect(client.getObjectDetails("shop.model", {})).toMatchObject({ value: { name: "m", layers: [1, 2] }, ...split });
    expect(client.getStringDetails("shop.model.name", "-")).toMatchObject({ value: "m", ...split });
    expect(client.getBooleanDetails("shop.lounge", false)).toMatchObject({
      value: true,
      reason: StandardResolutionReasons.TARGETING_MATCH,
      variant: "3",
    });
    expect(client.getStringDetails("shop.unheard", "-")).toMatchObject({
      value: "-",
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    });
    expect(calls).toMatchObject([{ search: "", ifNoneMatch: null, status: 200 }]);
  });

  test("goes on with the default where nobody set a value", async () => {
    const { client } = await begin();
    await OpenFeature.setContext({ targetingKey: "nobody_at_all", user_id: false });
    expect(client.getObjectDetails("shop", { by: "default" })).toMatchObject({
      value: { by: "default" },
      reason: StandardResolutionReasons.DEFAULT,
    });
  });

  test("asks for some services alone", async () => {
    const { provider } = await begin([["Strata-Services", "other"]]);
    expect(Object.keys(provider.flagCache)).toEqual(["other"]);
  });

  test("is told that nothing has changed", async () => {
    const { client } = await begin();
    await OpenFeature.setContext({ ...somebody });
    expect(calls).toHaveLength(2);
    expect(calls[0]?.etag).toMatch(/^"[0-9a-f]{32}"$/);
    expect(calls[1]).toMatchObject({ status: 304, ifNoneMatch: calls[0]?.etag });
    expect(client.getStringValue("shop.title", "-")).toBe("new");
  });

  test("fetches anew when it is told of a change", async () => {
    const { client } = await begin();
    const changed = new Promise<readonly string[] | undefined>((resolve) => {
      client.addHandler(ProviderEvents.ConfigurationChanged, (details) => resolve(details?.flagsChanged));
    });
    await plane.retitle("newest");
    expect(await changed).toContain("shop.title");
    expect(client.getStringValue("shop.title", "-")).toBe("newest");
    expect(calls.at(-1)).toMatchObject({ status: 200, ifNoneMatch: calls[0]?.etag });
    expect(calls.at(-1)?.search).toMatch(/^\?flagConfigEtag=\d+-2&flagConfigLastModified=\d+$/);
  });
});
