import { createPublicKey, verify } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { expect, test } from "vitest";

import { base, digest, Key } from "../../src/accesskey.js";
import { connections } from "../../src/http.js";
import { Signer } from "../../src/signing.js";
import { serve } from "./servers.js";

const key = Key.parse("", "ssk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8mtYin");
const content = new TextEncoder().encode("content");
const init = { method: "POST", headers: { "Content-Type": "application/proto" }, body: content };

interface Seen {
  path: string;
  headers: IncomingHttpHeaders;
}

/** Returns a server whose clock is ahead by so many seconds, and what it has seen. */
async function ahead(seconds: number) {
  const seen: Seen[] = [];
  const server = await serve((request, response) => {
    request.resume();
    seen.push({ path: request.url ?? "", headers: request.headers });
    const now = Math.floor(Date.now() / 1000) + seconds;
    const created = Number(/;created=(\d+)/.exec(String(request.headers["signature-input"]))?.[1]);
    const isRight = Math.abs(created - now) <= 300;
    const skew = { "Strata-Auth-Error": "clock_skew", "Strata-Server-Time": String(now * 1000) };
    response.writeHead(isRight ? 200 : 401, isRight ? {} : skew);
    response.end();
  });
  return { seen, url: server.url };
}

function isSigned({ path, headers }: Seen, profile: "request" | "session"): boolean {
  const text = (name: string) => String(headers[name]);
  const message = {
    method: "POST",
    path,
    contentType: text("content-type"),
    digest: digest(content),
    audience: "data-plane",
  };
  const signed = base(profile, message, text("signature-input").replace("strata=", ""));
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.publicKey.toString("base64url") };
  const value = Buffer.from(text("signature").replace(/^strata=:|:$/g, ""), "base64");
  return verify(null, Buffer.from(signed), createPublicKey({ key: jwk, format: "jwk" }), value);
}

const { fetch: plain } = connections(1000, { keep: false });

test("a session is used again, and a request never", async () => {
  const { seen, url } = await ahead(0);
  const signer = new Signer(key, "data-plane");
  for (const profile of ["session", "session", "request", "request"] as const) {
    await signer.wrap(plain, profile)(`${url}/a%20b/C`, init);
  }
  expect(seen.map(({ headers }) => headers["strata-audience"])).toEqual(Array(4).fill("data-plane"));
  expect(seen.every((each, i) => isSigned(each, i < 2 ? "session" : "request"))).toBe(true);
  expect(seen[0]?.headers["signature"]).toBe(seen[1]?.headers["signature"]);
  expect(seen[2]?.headers["signature"]).not.toBe(seen[3]?.headers["signature"]);
  expect(seen[2]?.headers["content-digest"]).toBe(digest(content));
});

test.each(["session", "request"] as const)("a %s corrects the clock once, and remembers it", async (profile) => {
  const { seen, url } = await ahead(7200);
  const signed = new Signer(key, "data-plane").wrap(plain, profile);
  expect((await signed(`${url}/x`, init)).status).toBe(200);
  expect(seen.length).toBe(2);
  expect((await signed(`${url}/x`, init)).status).toBe(200);
  expect(seen.length).toBe(3);
});

test("a clock is not corrected by more than a day", async () => {
  const { seen, url } = await ahead(25 * 3600);
  const response = await new Signer(key, "data-plane").wrap(plain, "session")(`${url}/x`, init);
  expect(response.status).toBe(401);
  expect(seen.length).toBe(1);
});

test("a server that is never content is asked twice", async () => {
  let asked = 0;
  const { url } = await serve((request, response) => {
    request.resume();
    asked++;
    response.writeHead(401, { "Strata-Auth-Error": "clock_skew", "Strata-Server-Time": String(Date.now()) }).end();
  });
  expect((await new Signer(key, "data-plane").wrap(plain, "request")(`${url}/x`, init)).status).toBe(401);
  expect(asked).toBe(2);
});

test("redirects are not followed", async () => {
  let asked = 0;
  const { url } = await serve((request, response) => {
    request.resume();
    asked++;
    response.writeHead(307, { Location: "/elsewhere" }).end();
  });
  expect((await new Signer(key, "data-plane").wrap(plain, "session")(`${url}/x`, init)).status).toBe(307);
  expect(asked).toBe(1);
});

test("a query is not signed", async () => {
  await expect(new Signer(key, "data-plane").wrap(plain, "session")("http://127.0.0.1:1/x?y", init)).rejects.toThrow(
    "query",
  );
});
