import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";

import { base, digest, Key, type Profile } from "../../src/accesskey.js";

interface Vectors {
  keys: { seed_hex: string; public_key_hex: string; access_key: string; secret_key: string }[];
  refused_keys: { name: string; access_key: string; secret_key: string }[];
  signatures: {
    name: string;
    profile: string;
    seed_hex: string;
    audience: string;
    created: number;
    expires: number;
    nonce: string;
    signature_base: string;
    request: { method: string; path: string; content_hex: string; headers: Record<string, string[]> };
  }[];
}

const file = new URL("../../../conformance/signatures/vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;
const profiles: Record<string, Profile> = { "strata-req-v1": "request", "strata-sess-v1": "session" };

test("there are vectors", () => {
  expect(vectors.keys.length).toBeGreaterThan(0);
  expect(vectors.refused_keys.length).toBeGreaterThan(0);
  expect(new Set(vectors.signatures.map((each) => each.profile)).size).toBe(2);
});

test.each(vectors.keys)("key $access_key", (vector) => {
  for (const accessKey of [vector.access_key, "", ` ${vector.access_key}\n`]) {
    const key = Key.parse(accessKey, `${vector.secret_key}\n`);
    expect(key.accessKey).toBe(vector.access_key);
    expect(key.publicKey.toString("hex")).toBe(vector.public_key_hex);
  }
});

test.each(vectors.refused_keys)("refused: $name", (vector) => {
  const parse = () => Key.parse(vector.access_key, vector.secret_key);
  expect(parse).toThrow(/STRATA_(ACCESS|SECRET)_KEY|exchanged/);
  expect(parse).not.toThrow(vector.secret_key.slice(8, 16) || "a secret");
});

describe.each(vectors.signatures)("signature: $name", (vector) => {
  const { request } = vector;
  const header = (name: string) => request.headers[name]?.[0] ?? "";
  const key = Key.parse("", vectors.keys.find((each) => each.seed_hex === vector.seed_hex)?.secret_key ?? "");
  const profile = profiles[vector.profile] ?? "request";
  const content = Buffer.from(request.content_hex, "hex");
  const message = {
    method: request.method,
    path: request.path,
    contentType: header("Content-Type"),
    digest: digest(content),
    audience: vector.audience,
  };

  test("makes the very same headers", () => {
    const nonce = profile === "request" ? { nonce: vector.nonce } : {};
    const made = key.sign({ profile, created: vector.created, expires: vector.expires, ...nonce }, message);
    expect(made.input).toBe(header("Signature-Input"));
    expect(made.value).toBe(header("Signature"));
    expect(header("Content-Digest")).toBe(profile === "request" ? message.digest : "");
  });

  test("has the signature base", () => {
    const said = header("Signature-Input").replace("strata=", "");
    expect(base(profile, message, said)).toBe(vector.signature_base);
  });
});

describe("a key", () => {
  const [vector] = vectors.keys;
  const key = Key.parse("", vector?.secret_key ?? "");
  const message = { method: "POST", path: "/x", contentType: "a/b", digest: digest(Buffer.of()), audience: "a" };

  test("shows no secret, however it is shown", () => {
    const shown = [
      String(key),
      `${key}`,
      JSON.stringify({ key }),
      inspect(key),
      inspect({ deep: { key } }, { showHidden: true, depth: 9 }),
    ];
    for (const text of shown) {
      expect(text).toContain(vector?.access_key);
      expect(text).not.toContain(vector?.secret_key.slice(4, 20));
      expect(text).not.toContain("PrivateKey");
    }
  });

  test("makes each nonce once", () => {
    const params = { profile: "request", created: 10, expires: 70 } as const;
    expect(key.sign(params, message).input).not.toBe(key.sign(params, message).input);
  });

  test.each([
    ["lives too long", { profile: "session", created: 0, expires: 601 }, message],
    ["ends before it begins", { profile: "session", created: 10, expires: 10 }, message],
    ["is of no whole second", { profile: "session", created: 0.5, expires: 9 }, message],
    ["has a short nonce", { profile: "request", created: 1, expires: 9, nonce: "AAAA" }, message],
    ["has no audience", { profile: "session", created: 1, expires: 9 }, { ...message, audience: "" }],
    ["has a line break", { profile: "session", created: 1, expires: 9 }, { ...message, audience: "a\nb" }],
    ["has white space around", { profile: "session", created: 1, expires: 9 }, { ...message, audience: "a " }],
    ["is too long", { profile: "session", created: 1, expires: 9 }, { ...message, audience: "a".repeat(1025) }],
  ] as const)("makes no signature that %s", (_, params, of) => {
    expect(() => key.sign(params, of)).toThrow(/expires has to be|since 1970|the nonce has|can not be signed/);
  });
});
