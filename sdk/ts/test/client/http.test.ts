import { expect, test } from "vitest";

import { bounding, boundingFrames } from "../../src/follow/bounds.js";
import { connections } from "../../src/http.js";
import { serve, signal } from "./servers.js";

const { fetch: plain } = connections(1000, { keep: false });

test("content and headers go both ways", async () => {
  const { url } = await serve((request, response) => {
    response.writeHead(201, { "X-Got": `${request.method} ${request.headers["x-sent"]}` });
    request.pipe(response);
  });
  const response = await plain(url, { method: "POST", headers: { "X-Sent": "a" }, body: new Uint8Array([1, 2, 3]) });
  expect(response.status).toBe(201);
  expect(response.headers.get("X-Got")).toBe("POST a");
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
});

test("chunks come as they are sent, and an abort hangs up", async () => {
  const gone = signal();
  const { url } = await serve((request, response) => {
    request.resume();
    response.write("one");
    response.on("close", () => gone.resolve());
  });
  const call = new AbortController();
  const response = await plain(url, { signal: call.signal });
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("one");
  const next = reader?.read();
  call.abort();
  await expect(next).rejects.toThrow("abort");
  await gone.promise;
});

test("an answer that is cut off fails", async () => {
  const { url } = await serve((request, response) => {
    request.resume();
    response.writeHead(200, { "Content-Length": "10" });
    response.write("half", () => response.destroy());
  });
  const response = await plain(url);
  await expect(response.arrayBuffer()).rejects.toThrow("aborted");
});

test("what has no content has none", async () => {
  const { url } = await serve((request, response) => {
    request.resume();
    response.writeHead(204).end();
  });
  expect((await plain(url)).body).toBe(null);
});

test("an answer that switches protocols fails", async () => {
  const { url } = await serve((request) => {
    request.socket.end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n");
  });
  await expect(plain(url)).rejects.toThrow("without an answer");
});

test("a server that is not there fails", async () => {
  const server = await serve(() => {});
  await server.close();
  await expect(plain(server.url)).rejects.toThrow("ECONNREFUSED");
});

/** A fetch whose answer has these chunks. */
function answering(...chunks: number[][]): typeof fetch {
  return async () =>
    new Response(
      new ReadableStream({
        start(controller) {
          chunks.forEach((chunk) => controller.enqueue(Uint8Array.from(chunk)));
          controller.close();
        },
      }),
    );
}

/** Returns what becomes of reading an answer. */
async function outcome(read: typeof fetch): Promise<string> {
  try {
    await (await read("http://x")).arrayBuffer();
    return "read";
  } catch (error) {
    return (error as Error).message;
  }
}

const frame = (size: number) => [0, size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255];

test.each([
  ["at the limit", answering([1, 2], [3, 4]), true],
  ["above it", answering([1, 2], [3, 4, 5]), false],
])("an answer %s", async (_, next, ok) => {
  expect(await outcome(bounding(next, 4))).toBe(ok ? "read" : "the answer is too large");
});

test.each([
  ["small ones", answering([...frame(2), 1, 2], [...frame(4), 1], [2, 3, 4], frame(0)), true],
  ["a large one", answering(frame(5)), false],
  [
    "a large one after others",
    answering([...frame(1), 9, ...frame(4), 1, 2], [3, 4], frame(1 << 31).slice(0, 3), frame(1 << 31).slice(3)),
    false,
  ],
])("frames: %s", async (_, next, ok) => {
  expect(await outcome(boundingFrames(next, 4))).toBe(ok ? "read" : "the answer is too large");
});
