// How services prove to Strata who they are: access keys, and the signatures that
// are made with them. docs: sdk/conformance/signatures/README.md.
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from "node:crypto";

const accessPrefix = "sak_";
const secretPrefix = "ssk_";
const fingerprintLetters = "abcdefghijklmnopqrstuvwxyz234567";
/** A whole number of base32 characters. */
const fingerprintBytes = 15;
const accessKeyPattern = /^sak_[a-z2-7]{24}$/;
const seedBytes = 32;
/** What tells a secret key from one with a typo, and from other text that looks like it. */
const checksumBytes = 4;
const secretLetters = ((seedBytes + checksumBytes) * 4) / 3;
const checksumDomain = "strata secret key";
/** What stands before the seed in the PKCS #8 form of an Ed25519 key (RFC 8410). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

const nonceBytes = 16;
const maxHeaderBytes = 1024;
/** The last second of the year 9999. */
const maxTime = 253402300799;

/**
 * A profile is one of the forms of a signature. A `request` covers one request, and
 * is good once. A `session` covers the audience alone and can be used again until it
 * ends, so that it is for calls that change nothing.
 */
export type Profile = "request" | "session";

interface Form {
  readonly tag: string;
  readonly components: string;
  /** In seconds. */
  readonly maxLifetime: number;
}

const forms: Record<Profile, Form> = {
  request: {
    tag: "strata-req-v1",
    components: `("@method" "@path" "content-type" "content-digest" "strata-audience")`,
    maxLifetime: 300,
  },
  session: { tag: "strata-sess-v1", components: `("strata-audience")`, maxLifetime: 600 },
};

/** For how long signatures are made, in seconds. */
export const lifetimes: Readonly<Record<Profile, number>> = { request: 60, session: 600 };

/** What a signature says of itself, but for whose it is. */
export interface Params {
  readonly profile: Profile;
  /** When it was made, in seconds since 1970. */
  readonly created: number;
  /** From when on it is no longer good, in seconds since 1970. */
  readonly expires: number;
  /** Tells a request from all others of its key: 16 bytes in base64url. Absent is a random one. */
  readonly nonce?: string;
}

/** What a signature covers. A session covers the audience alone. */
export interface Message {
  readonly method: string;
  /** Escaped as it is sent, without a query. */
  readonly path: string;
  readonly contentType: string;
  /** The {@link digest} of the content as it is sent. */
  readonly digest: string;
  readonly audience: string;
}

/** The headers Signature-Input and Signature. */
export interface Signature {
  readonly input: string;
  readonly value: string;
}

/**
 * Key is an access key together with its secret key. However it is printed, logged or
 * encoded, only the access key is seen.
 */
export class Key {
  /** The key's name. It is no secret. */
  readonly accessKey: string;
  readonly #private: KeyObject;

  private constructor(seed: Buffer) {
    this.#private = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
    this.accessKey = nameOf(publicOf(this.#private));
  }

  /**
   * Reads a secret key, and the access key that it has to belong to; if that is empty,
   * it is the one of the secret key. White space around them does not count. What it
   * throws says nothing of a secret.
   */
  static parse(accessKey: string, secretKey: string): Key {
    [accessKey, secretKey] = [accessKey.trim(), secretKey.trim()];
    if (accessKey.startsWith(secretPrefix) || secretKey.startsWith(accessPrefix)) {
      throw new Error(
        `the access key and the secret key are exchanged: the former begins with "${accessPrefix}", the latter with "${secretPrefix}"`,
      );
    }
    if (secretKey === "") {
      throw new Error("the secret key (STRATA_SECRET_KEY) is empty");
    }
    if (secretKey.length !== secretPrefix.length + secretLetters || !secretKey.startsWith(secretPrefix)) {
      throw new Error(
        `the secret key (STRATA_SECRET_KEY) is not one: want "${secretPrefix}" and ${secretLetters} characters`,
      );
    }
    if (accessKey !== "" && !accessKeyPattern.test(accessKey)) {
      throw new Error(
        `the access key (STRATA_ACCESS_KEY) is not one: want "${accessPrefix}" and 24 characters of a-z and 2-7`,
      );
    }
    const text = secretKey.slice(secretPrefix.length);
    const data = Buffer.from(text, "base64url");
    if (data.length !== seedBytes + checksumBytes || data.toString("base64url") !== text) {
      throw new Error(
        "the secret key (STRATA_SECRET_KEY) has a character that is in none: want A-Z, a-z, 0-9, - and _",
      );
    }
    const seed = data.subarray(0, seedBytes);
    if (!checksum(seed).equals(data.subarray(seedBytes))) {
      throw new Error("the secret key (STRATA_SECRET_KEY) is not as it was made: its checksum is wrong");
    }
    const key = new Key(seed);
    if (accessKey !== "" && accessKey !== key.accessKey) {
      throw new Error(
        `the secret key (STRATA_SECRET_KEY) is the one of the access key ${key.accessKey}, and the access key (STRATA_ACCESS_KEY) is ${accessKey}`,
      );
    }
    return key;
  }

  /** What verifies the key's signatures: 32 bytes. */
  get publicKey(): Buffer {
    return publicOf(this.#private);
  }

  /**
   * Signs a message. It throws if a signature must not have such parameters, or the
   * message can not be signed.
   */
  sign(params: Params, message: Message): Signature {
    const nonce = params.profile === "request" ? (params.nonce ?? randomBytes(nonceBytes).toString("base64url")) : "";
    check(params, nonce);
    const said = textOf(params, nonce, this.accessKey);
    const signature = sign(null, Buffer.from(base(params.profile, message, said)), this.#private);
    return { input: `strata=${said}`, value: `strata=:${signature.toString("base64")}:` };
  }

  toString(): string {
    return this.accessKey;
  }

  toJSON(): string {
    return this.accessKey;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.accessKey;
  }
}

/** Returns the header Content-Digest of a request's content. */
export function digest(content: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;
}

/**
 * Returns what is signed: the signature base of RFC 9421, section 2.5. said is the
 * value of @signature-params.
 */
export function base(profile: Profile, message: Message, said: string): string {
  const covered: [name: string, value: string][] = [["strata-audience", message.audience]];
  if (profile === "request") {
    covered.unshift(
      ["@method", message.method],
      ["@path", message.path],
      ["content-type", message.contentType],
      ["content-digest", message.digest],
    );
  }
  const lines = covered.map(([name, value]) => {
    if (!isPlain(value)) {
      throw new Error(`${name} can not be signed: want 1 to ${maxHeaderBytes} printable characters of ASCII`);
    }
    return `"${name}": ${value}\n`;
  });
  return `${lines.join("")}"@signature-params": ${said}`;
}

/** Reports whether a value can stand in a line of its own, and is the same after a server has read it. */
function isPlain(value: string): boolean {
  return value.length <= maxHeaderBytes && /^[!-~]([ -~]*[!-~])?$/.test(value);
}

function check(params: Params, nonce: string): void {
  const { maxLifetime } = forms[params.profile];
  const whole = Number.isSafeInteger(params.created) && Number.isSafeInteger(params.expires);
  if (!whole || params.created < 0 || params.expires > maxTime) {
    throw new Error("created and expires are seconds since 1970");
  }
  if (params.expires <= params.created || params.expires - params.created > maxLifetime) {
    throw new Error(`expires has to be 1 to ${maxLifetime} seconds after created`);
  }
  if (params.profile === "request" && !isNonce(nonce)) {
    throw new Error(`the nonce has to be ${nonceBytes} bytes in base64url without padding`);
  }
}

function isNonce(text: string): boolean {
  const data = Buffer.from(text, "base64url");
  return data.length === nonceBytes && data.toString("base64url") === text;
}

function textOf(params: Params, nonce: string, accessKey: string): string {
  const { components, tag } = forms[params.profile];
  const once = params.profile === "request" ? `;nonce="${nonce}"` : "";
  return `${components};created=${params.created};expires=${params.expires}${once};keyid="${accessKey}";alg="ed25519";tag="${tag}"`;
}

function publicOf(key: KeyObject): Buffer {
  return Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
}

function nameOf(publicKey: Buffer): string {
  return accessPrefix + base32(createHash("sha256").update(publicKey).digest().subarray(0, fingerprintBytes));
}

function checksum(seed: Buffer): Buffer {
  return createHash("sha256").update(checksumDomain).update(seed).digest().subarray(0, checksumBytes);
}

/** Encodes a whole number of 5-bit letters. */
function base32(data: Buffer): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of data) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += fingerprintLetters[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return text;
}
