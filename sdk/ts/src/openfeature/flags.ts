import type { Context } from "../engine/types.js";
import type { Parameter } from "../evaluation.js";
import type { Event } from "../event.js";
import type { Change, Status } from "../status.js";

/** What a provider needs of a client. */
export interface Source {
  evaluate(service: string, context: Context): { lookup(path: string): Parameter };
  knows(service: string, path: string): boolean;
  status(): Status;
  onChange(listener: (change: Change) => unknown): () => void;
  record(event: Event): void;
}

/** How a provider works. */
export interface Options {
  /**
   * The attribute that layers hash, and that the targeting key stands for where a context
   * has no such attribute. Without it the targeting key is the attribute "targetingKey" alone.
   */
  readonly targetingKey?: string | undefined;
  /** How long the provider may take to become ready before that is an error, in milliseconds: 30,000. */
  readonly initTimeout?: number | undefined;
}

/** What is wrong, by the names of OpenFeature. */
export type Code = "PROVIDER_NOT_READY" | "FLAG_NOT_FOUND" | "TYPE_MISMATCH" | "INVALID_CONTEXT";

/** A value of a flag, with its source. */
export interface Details<T> {
  value: T;
  reason: string;
  variant?: string;
  flagMetadata?: Record<string, string | number>;
  errorCode?: Code;
  errorMessage?: string;
}

/** The kinds of values that OpenFeature has. */
export const takes = {
  boolean: (value: unknown): value is boolean => typeof value === "boolean",
  string: (value: unknown): value is string => typeof value === "string",
  number: (value: unknown): value is number => typeof value === "number",
  object: (value: unknown): value is object => typeof value === "object" && value !== null,
};

/** Flags reads flags of a client. */
export class Flags {
  readonly #source: Source;
  readonly #targetingKey: string | undefined;

  constructor(source: Source, { targetingKey }: Options) {
    this.#source = source;
    this.#targetingKey = targetingKey;
  }

  /** Reads a flag, if its value is of a kind. */
  resolve<T>(flag: string, def: T, context: Context, kind: keyof typeof takes): Details<T> {
    const place = this.#find(flag);
    if (!place) {
      return this.#source.status().state === "NOT_READY"
        ? failed(def, "PROVIDER_NOT_READY", "there is no configuration yet")
        : failed(def, "FLAG_NOT_FOUND", `no service that is known sets ${flag}`);
    }
    const { service, path } = place;
    const parameter = this.#source.evaluate(service, this.contextOf(context)).lookup(path);
    switch (parameter.error) {
      case "NOT_READY":
        return failed(def, "PROVIDER_NOT_READY", "there is no answer yet");
      case "INVALID_CONTEXT":
        return failed(def, "INVALID_CONTEXT", "what was given is no context");
      case "NOT_FOUND": // it went after it was found
        return failed(def, "FLAG_NOT_FOUND", `no service that is known sets ${flag}`);
    }
    const flagMetadata = { version: String(parameter.revision), flagSetId: service };
    if (parameter.reason === "DEFAULT") {
      return { value: def, reason: parameter.reason, flagMetadata };
    }
    if (!takes[kind](parameter.value)) {
      return failed(def, "TYPE_MISMATCH", `${flag} is of another type`);
    }
    const { layerId: layer, eid: experiment, slot } = parameter;
    return {
      value: parameter.value as T,
      reason: this.#source.status().state === "STALE" ? "STALE" : parameter.reason,
      variant: String(parameter.vid),
      flagMetadata: { ...flagMetadata, layer, experiment, slot },
    };
  }

  /** Has an event recorded: the value is its value, and the other details are its properties. */
  track(name: string, context: Context, details: Readonly<Record<string, unknown>>): void {
    const { value, ...properties } = details;
    const event = { name, context: this.contextOf(context), properties };
    this.#source.record(typeof value === "number" ? { ...event, value } : event);
  }

  /** Returns the context of Strata for one of OpenFeature. */
  contextOf(context: Context): Context {
    const { targetingKey: key } = context;
    const name = this.#targetingKey;
    return name === undefined || key === undefined || Object.hasOwn(context, name)
      ? context
      : { ...context, [name]: key };
  }

  /** Returns where a flag is read, if anything that is known sets it. */
  #find(flag: string): { service: string; path: string } | undefined {
    if (this.#source.knows(flag, "")) {
      return { service: flag, path: "" };
    }
    for (let end = flag.lastIndexOf("."); end >= 0; end = flag.lastIndexOf(".", end - 1)) {
      const [service, path] = [flag.slice(0, end), flag.slice(end + 1)];
      if (this.#source.knows(service, "")) {
        return path !== "" && this.#source.knows(service, path) ? { service, path } : undefined;
      }
      if (end === 0) {
        return undefined; // as lastIndexOf takes what is below 0 for 0
      }
    }
    return undefined;
  }
}

function failed<T>(value: T, errorCode: Code, errorMessage: string): Details<T> {
  return { value, reason: "ERROR", errorCode, errorMessage };
}
