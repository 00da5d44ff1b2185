import { OFREPProvider } from "@openfeature/ofrep-provider";
import { type Client, ErrorCode, OpenFeature, StandardResolutionReasons } from "@openfeature/server-sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Plane } from "./plane.js";

describe("the OFREP provider for servers", () => {
  let plane: Plane;
  let client: Client;

  beforeAll(async () => {
    plane = await Plane.start();
    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: plane.url }));
    client = OpenFeature.getClient();
  });

  afterAll(async () => {
    await OpenFeature.close();
    await plane.stop();
  });

  const somebody = { targetingKey: "user_12345" };
  const split = { reason: StandardResolutionReasons.SPLIT, variant: "2" };

  test("evaluates all types", async () => {
    expect(await client.getBooleanDetails("shop.new", false, somebody)).toMatchObject({ value: true, ...split });
    expect(await client.getStringDetails("shop.title", "-", somebody)).toMatchObject({
      value: "new",
      ...split,
      flagMetadata: { version: "1", layer: "click", experiment: 10, slot: 7622 },
    });
    expect(await client.getNumberDetails("shop.size", 0, somebody)).toMatchObject({ value: 12, ...split });
    expect(await client.getNumberDetails("shop.rate", 0, somebody)).toMatchObject({ value: 0.25, ...split });
    expect(await client.getObjectDetails("shop.model", {}, somebody)).toMatchObject({
      value: { name: "m", layers: [1, 2] },
      ...split,
    });
  });

  test("targets", async () => {
    const gold = await client.getBooleanDetails("shop.lounge", false, { ...somebody, plan: "gold" });
    expect(gold).toMatchObject({ value: true, reason: StandardResolutionReasons.TARGETING_MATCH, variant: "3" });
    // It does not know of answers without a value, and goes on with the default.
    const tin = await client.getBooleanDetails("shop.lounge", false, { ...somebody, plan: "tin" });
    expect(tin).toMatchObject({ value: false, errorCode: ErrorCode.GENERAL });
  });

  test("goes on with the default where there is nothing", async () => {
    expect(await client.getStringDetails("shop.unheard", "-", somebody)).toMatchObject({
      value: "-",
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    });
    expect(await client.getStringDetails("shop.size", "-", somebody)).toMatchObject({
      value: "-",
      errorCode: ErrorCode.TYPE_MISMATCH,
    });
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`a${i}`, i]));
    expect(await client.getStringDetails("shop.title", "-", { ...somebody, ...many })).toMatchObject({
      value: "-",
      errorCode: ErrorCode.INVALID_CONTEXT,
    });
  });
});
