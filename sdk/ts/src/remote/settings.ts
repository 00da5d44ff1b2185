import type { Context } from "../engine/types.js";
import { type Log, safe } from "../log.js";
import { contextText } from "./context.js";

/** Whom a client asks, and for what. A page has no access key: what it has, everybody has. */
export interface Config {
  /** Where the data plane is, such as "https://strata.example.com". It has to allow the page's origin. */
  readonly url: string;
  /** What is asked for, and is known: 1 to 100 services, of 1 to 256 bytes each. */
  readonly services: readonly string[];
  /** Is loaded at once, as if load was called. */
  readonly context?: Context | undefined;
  /** Is told what happens, such as console: messages, and fields with what differs. Without it nobody is. */
  readonly log?: Log | undefined;
}

/** A Config that is checked. */
export interface Settings {
  /** Without a slash at its end. */
  readonly url: string;
  readonly services: readonly string[];
  readonly context: Context | undefined;
  readonly log: Log;
}

// Limits of the contract.
const maxNameBytes = 256;
const maxServices = 100;

/** Checks a Config. What it throws names all that is wrong. */
export function resolve(config: Config): Settings {
  const faults: string[] = [];
  const given: Readonly<Record<string, unknown>> = { ...config };
  const { url, services } = given;
  if (!isURL(url)) {
    faults.push(
      `the URL is ${JSON.stringify(url)}: want one such as https://strata.example.com, without a user, a query and a fragment`,
    );
  }
  if (!isNames(services)) {
    faults.push(`services is not a list of 1 to ${maxServices} names of 1 to ${maxNameBytes} bytes each`);
  }
  if (config.context !== undefined && contextText(config.context) === undefined) {
    faults.push("the context is no object");
  }
  for (const name of ["accessKey", "secretKey"]) {
    if (given[name] !== undefined) {
      faults.push(`${name} is set: everybody can read what a page has`);
    }
  }
  if (faults.length > 0 || !isNames(services) || !isURL(url)) {
    throw new Error(`strata: ${faults.join("\n")}`);
  }
  return {
    url: url.replace(/\/+$/, ""),
    services: [...new Set(services)].sort(),
    context: config.context,
    log: safe(config.log),
  };
}

function isURL(text: unknown): text is string {
  try {
    const url = new URL(String(text));
    return /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === "";
  } catch {
    return false;
  }
}

function isNames(list: unknown): list is string[] {
  return (
    Array.isArray(list) &&
    list.length > 0 &&
    list.length <= maxServices &&
    list.every((name) => typeof name === "string" && name !== "" && bytesOf(name) <= maxNameBytes)
  );
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
