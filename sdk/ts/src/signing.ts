import { digest, lifetimes, type Key, type Profile, type Signature } from "./accesskey.js";

/** How long before its end a session is no longer used, in seconds, so that it is still good when it arrives. */
const renewal = 60;
/**
 * Bounds what a server can say of the time, in milliseconds. One that is not who it
 * says to be must not get signatures for years to come.
 */
const maxCorrection = 24 * 60 * 60 * 1000;

interface Session extends Signature {
  /** Of the clock that it was made with. */
  readonly offset: number;
  /** In seconds, by that clock. */
  readonly until: number;
}

/**
 * Signer signs requests for one audience. Where a server answers that the time of a
 * signature is not its own, the difference of the clocks is taken into account from
 * then on, by up to a day, and the request is sent once more.
 *
 * Requests must have no query, and no proxy may change their path.
 */
export class Signer {
  readonly #key: Key;
  readonly #audience: string;
  /** How many milliseconds the server's clock is ahead. */
  #offset = 0;
  #session: Session | undefined;

  constructor(key: Key, audience: string) {
    this.#key = key;
    this.#audience = audience;
  }

  /** Returns a fetch that signs, with signatures of a profile, what it hands on to another one. */
  wrap(next: typeof fetch, profile: Profile): typeof fetch {
    return async (input, init) => {
      const send = () => next(input, { ...init, headers: this.#headers(profile, input, init), redirect: "manual" });
      const response = await send();
      if (!this.#corrects(response)) {
        return response;
      }
      await response.body?.cancel();
      return send();
    };
  }

  #headers(profile: Profile, input: Parameters<typeof fetch>[0], init: RequestInit | undefined): Headers {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.search !== "") {
      throw new Error("a request with a query can not be signed");
    }
    const headers = new Headers(init?.headers);
    headers.delete("Content-Digest");
    headers.set("Strata-Audience", this.#audience);
    let signature: Signature;
    if (profile === "session") {
      signature = this.#currentSession();
    } else {
      const content = digest(bytesOf(init?.body));
      const created = this.#now();
      headers.set("Content-Digest", content);
      signature = this.#key.sign(
        { profile, created, expires: created + lifetimes.request },
        {
          method: init?.method ?? "GET",
          path: url.pathname,
          contentType: headers.get("Content-Type") ?? "",
          digest: content,
          audience: this.#audience,
        },
      );
    }
    headers.set("Signature-Input", signature.input);
    headers.set("Signature", signature.value);
    return headers;
  }

  #currentSession(): Session {
    const now = this.#now();
    const held = this.#session;
    // The last condition does not hold where the clock was set back.
    if (held && held.offset === this.#offset && now < held.until && held.until - now <= lifetimes.session) {
      return held;
    }
    const expires = now + lifetimes.session;
    const signature = this.#key.sign(
      { profile: "session", created: now, expires },
      { method: "", path: "", contentType: "", digest: "", audience: this.#audience },
    );
    this.#session = { ...signature, offset: this.#offset, until: expires - renewal };
    return this.#session;
  }

  /** The time by the server's clock, as far as it is known, in seconds since 1970. */
  #now(): number {
    return Math.floor((Date.now() + this.#offset) / 1000);
  }

  /** Reports whether a server does not agree on the time, and takes its word for it. */
  #corrects(response: Response): boolean {
    const said = response.headers.get("Strata-Server-Time") ?? "";
    if (response.headers.get("Strata-Auth-Error") !== "clock_skew" || !/^\d{1,15}$/.test(said)) {
      return false;
    }
    const offset = Number(said) - Date.now();
    if (Math.abs(offset) > maxCorrection) {
      return false;
    }
    this.#offset = offset;
    return true;
  }
}

function bytesOf(body: RequestInit["body"]): Uint8Array {
  if (body === undefined || body === null) {
    return new Uint8Array();
  }
  if (body instanceof Uint8Array) {
    return body;
  }
  if (typeof body === "string") {
    return new TextEncoder().encode(body);
  }
  throw new Error("a request whose content is not at hand can not be signed");
}
