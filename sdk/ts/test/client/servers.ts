// Servers for tests, on ports of their own. They end with the test.
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { onTestFinished } from "vitest";

/** Serves on a port of 127.0.0.1, 0 for a free one. Closing cuts off those who are connected. */
export async function serve(
  handler: RequestListener,
  port = 0,
): Promise<{ url: string; port: number; close: () => Promise<void> }> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const address = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${address.port}`, port: address.port, close };
}

/** Returns a handler of the services that routes add. */
export function connectHandler(routes: (router: ConnectRouter) => void): RequestListener {
  const router = createConnectRouter({ grpc: false, grpcWeb: false });
  routes(router);
  return (request, response) => {
    const handler = router.handlers.find((each) => each.requestPath === request.url);
    if (!handler) {
      response.writeHead(404).end();
      return;
    }
    const ended = new AbortController();
    response.once("close", () => ended.abort());
    const answer = async () => {
      const { status, header, body } = await handler(requestOf(request, ended.signal));
      response.writeHead(status, Object.fromEntries(header ?? []));
      for await (const chunk of body ?? []) {
        response.write(chunk);
      }
      response.end();
    };
    answer().catch(() => response.destroy());
  };
}

function requestOf(request: IncomingMessage, ended: AbortSignal): UniversalServerRequest {
  const header = new Headers();
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    header.append(request.rawHeaders[i] ?? "", request.rawHeaders[i + 1] ?? "");
  }
  return {
    httpVersion: request.httpVersion,
    url: `http://${request.headers.host}${request.url}`,
    method: request.method ?? "",
    header,
    body: request as AsyncIterable<Uint8Array>,
    signal: ended,
  };
}

/** A promise with what settles it. */
export function signal<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  const settled = new EventTarget();
  let given: T;
  return {
    promise: new Promise<T>((resolve) => settled.addEventListener("settled", () => resolve(given))),
    resolve(value) {
      given = value;
      settled.dispatchEvent(new Event("settled"));
    },
  };
}
