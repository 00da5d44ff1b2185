import { after } from "../clock.js";
import type { WireResult } from "./answer.js";

/** How long an answer may take, in milliseconds. */
const timeout = 10_000;

/** What was answered for one of the contexts that were asked for. */
export interface Entry {
  /** By service. */
  readonly results: Readonly<Record<string, WireResult>>;
  /** Why there are none, in which case asking again does not help. */
  readonly error?: { readonly message: string };
}

/** What was answered, all of one revision. */
export interface Answered {
  readonly entries: readonly Entry[];
  readonly revision: number;
  /** 0 if it is not known, as nobody matched anything. */
  readonly epoch: number;
  /** For how many milliseconds nobody had told the data plane that its configuration is the newest. */
  readonly stale: number;
}

/** A request that was refused. */
export class Refused extends Error {
  /** @param status of HTTP */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Plane calls a data plane. Its answers have exposures and what it takes to read parts of them. */
export class Plane {
  readonly #url: string;
  readonly #services: readonly string[];

  constructor(url: string, services: readonly string[]) {
    this.#url = url;
    this.#services = services;
  }

  /** The address of its change events, for those who have something of a position. */
  events(since: string | undefined): string {
    return `${this.#url}/ofrep/v1/events${since === undefined ? "" : `?since=${since}`}`;
  }

  /** Asks for contexts, as contextText writes them: at least one, at most 1,000. */
  async ask(contexts: readonly string[], signal: AbortSignal): Promise<Answered> {
    const services = JSON.stringify(this.#services);
    const requests = contexts.map(
      (context) => `{"services":${services},"context":${context},"exposures":"EXPOSURE_MODE_RETURN"}`,
    );
    const [response, answer] = await this.#post(
      "EvaluationService/BatchEvaluate",
      `{"requests":[${requests.join(",")}]}`,
      signal,
    );
    const { responses } = answer as { responses: (Entry & { revision: string })[] };
    const exposures = responses.flatMap((each) => Object.values(each.results)).flatMap((each) => each.exposures);
    return {
      entries: responses,
      revision: Number(responses[0]?.revision ?? 0),
      epoch: Number(exposures[0]?.epoch ?? 0),
      stale: Number(response.headers.get("Strata-Stale-Seconds") ?? 0) * 1000,
    };
  }

  /**
   * Sends a batch of exposures and events, and returns how many were refused as malformed.
   * With keepalive, which at most 64 KiB at a time can have, it outlives the page.
   */
  async record(batch: string, signal: AbortSignal, keepalive: boolean): Promise<number> {
    const [, answer] = await this.#post("EventService/Record", batch, signal, keepalive);
    return (answer as { refusals?: unknown[] }).refusals?.length ?? 0;
  }

  async #post(method: string, body: string, signal: AbortSignal, keepalive = false): Promise<[Response, unknown]> {
    const call = new AbortController();
    const stop = () => call.abort(new Error("the data plane has not answered in time"));
    const cancel = after(timeout, stop);
    signal.addEventListener("abort", stop);
    try {
      const response = await fetch(`${this.#url}/strata.serving.v1.${method}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        credentials: "omit",
        keepalive,
        signal: call.signal,
      });
      if (!response.ok) {
        throw new Refused(response.status, `the data plane answers ${response.status}: ${await response.text()}`);
      }
      return [response, await response.json()];
    } finally {
      cancel();
      signal.removeEventListener("abort", stop);
    }
  }
}
