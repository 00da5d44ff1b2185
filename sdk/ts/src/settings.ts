import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

import { Key } from "./accesskey.js";
import { type Log, safe } from "./log.js";

/**
 * What a client follows, and how. What is left out comes from the environment variable
 * that is named; the URL is the only one that is needed.
 */
export interface Config {
  /** Where the data plane is, such as "https://strata.example.com": STRATA_URL. */
  readonly url?: string | undefined;
  /**
   * Signs what is sent, together with the secret key: STRATA_ACCESS_KEY. It alone may be
   * left out, as the secret key has it. Without both nothing is signed.
   */
  readonly accessKey?: string | undefined;
  /** STRATA_SECRET_KEY. */
  readonly secretKey?: string | undefined;
  /**
   * What is followed: STRATA_ENVIRONMENT. Without one it is that which the data plane
   * serves; with a cacheDir there has to be one.
   */
  readonly environment?: string | undefined;
  /**
   * If not empty, these are followed alone: at most 1,000, of 1 to 256 bytes each. Others
   * are not known then.
   */
  readonly services?: readonly string[] | undefined;
  /**
   * The folder that the last configuration is kept in: STRATA_CACHE_DIR. It is made when
   * it is first written to, and processes that follow the same may share it. Without one
   * none is kept.
   */
  readonly cacheDir?: string | undefined;
  /** Tells this client from all others, in at most 256 bytes: the host's name with something random. */
  readonly instance?: string | undefined;
  /** The name of the server that signatures are for: "data-plane". Control planes are "control-plane". */
  readonly audience?: string | undefined;
  /** Is told what happens, such as console: messages, and fields with what differs. Without it nobody is. */
  readonly log?: Log | undefined;
}

/** A Config that is complete. */
export interface Settings {
  readonly url: string;
  readonly key: Key | undefined;
  readonly environment: string;
  readonly services: readonly string[];
  /** Empty for none. */
  readonly cacheDir: string;
  readonly instance: string;
  readonly audience: string;
  readonly log: Log;
}

// Limits of the contract.
const maxNameBytes = 256;
const maxEnvironmentBytes = 63;
const maxServices = 1000;

/** Completes a Config. What it throws names all that is wrong. */
export function resolve(config: Config, env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const faults: string[] = [];
  const text = (name: string, value: unknown, variable?: string): string => {
    if (value !== undefined && typeof value !== "string") {
      faults.push(`${name} is no string`);
      return "";
    }
    return (value || (variable && env[variable]) || "").trim();
  };
  const url = text("url", config.url, "STRATA_URL");
  const accessKey = text("accessKey", config.accessKey, "STRATA_ACCESS_KEY");
  const secretKey = text("secretKey", config.secretKey, "STRATA_SECRET_KEY");
  const environment = text("environment", config.environment, "STRATA_ENVIRONMENT");
  const cacheDir = text("cacheDir", config.cacheDir, "STRATA_CACHE_DIR");
  const instance = text("instance", config.instance) || newInstance();
  const audience = text("audience", config.audience) || "data-plane";
  const services: unknown = config.services ?? [];

  faults.push(...faultsOfURL(url));
  if (bytesOf(environment) > maxEnvironmentBytes) {
    faults.push(
      `the environment (STRATA_ENVIRONMENT) has ${bytesOf(environment)} bytes: want at most ${maxEnvironmentBytes}`,
    );
  }
  if (cacheDir !== "" && environment === "") {
    faults.push(
      "the environment (STRATA_ENVIRONMENT) is empty: what is kept in the cache folder (STRATA_CACHE_DIR) has to be of a certain one",
    );
  }
  if (bytesOf(instance) > maxNameBytes) {
    faults.push(`the instance has ${bytesOf(instance)} bytes: want at most ${maxNameBytes}`);
  }
  if (!isNames(services)) {
    faults.push(`services is not a list of at most ${maxServices} names of 1 to ${maxNameBytes} bytes each`);
  }
  let key: Key | undefined;
  if (accessKey !== "" || secretKey !== "") {
    try {
      key = Key.parse(accessKey, secretKey);
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  if (faults.length > 0) {
    throw new Error(`strata: ${faults.join("\n")}`);
  }
  return {
    url,
    key,
    environment,
    services: sorted(isNames(services) ? services : []),
    cacheDir,
    instance,
    audience,
    log: safe(config.log),
  };
}

function faultsOfURL(text: string): string[] {
  const want = "want one such as http://localhost:8080";
  if (text === "") {
    return [`the URL (STRATA_URL) is empty: ${want}`];
  }
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return [`the URL (STRATA_URL) is "${text}": ${want}`];
  }
  if (url.username !== "" || url.password !== "") {
    return ["the URL (STRATA_URL) has a user or a password: want one without"];
  }
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.host === "") {
    return [`the URL (STRATA_URL) is "${text}": ${want}`];
  }
  return url.search !== "" || url.hash !== ""
    ? [`the URL (STRATA_URL) is "${text}": want one without a query and a fragment`]
    : [];
}

/** Returns each name once, in order. */
function sorted(names: readonly string[]): readonly string[] {
  const all = [...new Set(names)];
  all.sort();
  return all;
}

function isNames(list: unknown): list is string[] {
  return (
    Array.isArray(list) &&
    list.length <= maxServices &&
    list.every((name) => typeof name === "string" && name !== "" && bytesOf(name) <= maxNameBytes)
  );
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}

/** Returns a name that no other process has. */
function newInstance(): string {
  return `${hostname().slice(0, 60)}-${randomBytes(5).toString("hex")}`;
}
