import { createServer, request as requestHTTP } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What becomes of the requests that are forwarded. */
interface Requests {
  /** Reports whether a request is answered with 503. */
  refuses?(url: string): boolean;
  /** Is told of each request that was answered. */
  answered?(url: string, status: number): void;
}

/** Forwards to a port, which may be another one later. It ends with the test. */
export async function forward(port: number, { refuses, answered }: Requests = {}) {
  const server = createServer((request, response) => {
    const { method = "GET", url = "", headers } = request;
    if (refuses?.(url)) {
      response.writeHead(503).end();
      return;
    }
    const on = requestHTTP({ host: "127.0.0.1", port, path: url, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.on("error", () => response.destroy());
      answer.on("end", () => answered?.(`${method} ${url}`, answer.statusCode ?? 502));
      answer.pipe(response);
    });
    on.on("error", () => response.destroy());
    response.once("close", () => on.destroy());
    request.pipe(on);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, to: (other: number) => (port = other) };
}
