import { Agent as HTTPAgent, request as requestHTTP, type IncomingMessage } from "node:http";
import { Agent as HTTPSAgent, request as requestHTTPS } from "node:https";
import { after } from "./clock.js";

/** A fetch with connections of its own, over HTTP/1.1, that follows no redirects. */
export interface Connections {
  readonly fetch: typeof fetch;
  /** Frees the connections that no call uses. */
  close(): void;
}

/**
 * Opens connections by node:http, since those of Node's own fetch keep the process alive
 * as long as a stream lasts, and these do not. Each call gets one of its own, unless
 * they are kept for the next one. One that is not there within connectMillis fails.
 */
export function connections(connectMillis: number, options: { readonly keep: boolean }): Connections {
  const agents = {
    "http:": new HTTPAgent({ keepAlive: options.keep }),
    "https:": new HTTPSAgent({ keepAlive: options.keep }),
  };
  return {
    fetch: (input, init) =>
      new Promise((resolve, reject) => {
        const url = new URL(input instanceof Request ? input.url : input);
        const secure = url.protocol === "https:";
        const request = (secure ? requestHTTPS : requestHTTP)(url, {
          agent: agents[secure ? "https:" : "http:"],
          method: init?.method ?? "GET",
          headers: Object.fromEntries(new Headers(init?.headers)),
          ...(init?.signal ? { signal: init.signal } : {}),
        });
        request.on("socket", (socket) => {
          socket.unref();
          if (socket.connecting) {
            const cancel = after(connectMillis, () => request.destroy(new Error("there is no connection in time")));
            socket.once(secure ? "secureConnect" : "connect", cancel);
            socket.once("close", cancel);
          }
        });
        request.on("error", reject);
        // Node tells of an answer that it makes nothing of, such as 101, in no other way.
        request.on("close", () => reject(new Error("the connection has ended without an answer")));
        request.on("response", (message) => {
          try {
            resolve(responseOf(message));
          } catch (error) {
            message.destroy();
            reject(error as Error);
          }
        });
        request.end(init?.body ?? undefined);
      }),
    close() {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}

function responseOf(message: IncomingMessage): Response {
  const headers = new Headers();
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2) {
    headers.append(message.rawHeaders[i] ?? "", message.rawHeaders[i + 1] ?? "");
  }
  const status = message.statusCode ?? 0;
  if (status === 204 || status === 304) {
    message.resume();
    return new Response(null, { status, headers });
  }
  return new Response(bodyOf(message), { status, headers });
}

/** Returns the content of a message, which is read as fast as it is taken. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> {
  let open = true;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const fail = (error: Error) => {
        if (open) {
          open = false;
          controller.error(error);
        }
      };
      message.on("data", (chunk: Uint8Array) => {
        if (open) {
          controller.enqueue(chunk);
          message.pause();
        }
      });
      message.on("end", () => {
        if (open) {
          open = false;
          controller.close();
        }
      });
      message.on("error", fail);
      message.on("close", () => fail(new Error("the connection has ended in the middle of an answer")));
      message.pause();
    },
    pull() {
      message.resume();
    },
    cancel() {
      open = false;
      message.destroy();
    },
  });
}
