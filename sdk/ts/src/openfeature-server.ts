/**
 * The provider of Strata for OpenFeature in Node: code that reads flags through its API
 * gets the parameters of Strata.
 *
 *     await OpenFeature.setProviderAndWait(new StrataProvider(client, { targetingKey: "user_id" }));
 *     const version = await OpenFeature.getClient().getStringValue("ranker_svc.model.version", "v1", user);
 *
 * The key of a flag is "service.path": the service is the longest one known that the key
 * begins with, and what follows its dot is a path as in Evaluation. All types are read; an
 * object is all that is set below the path, merged.
 *
 * The evaluation context is the context of Strata, name by name, with the targeting key in
 * the attribute "targetingKey". Layers hash the attribute that they name, and nothing
 * stands in for it, unless the options name it.
 *
 * The reasons are SPLIT, TARGETING_MATCH and DEFAULT, as in Parameter; STALE in place of
 * the first two while the client is stale; and ERROR, with PROVIDER_NOT_READY,
 * FLAG_NOT_FOUND, TYPE_MISMATCH or INVALID_CONTEXT. The variant is the vid. The metadata
 * are "version" (the revision), "flagSetId" (the service) and, if anybody has set the
 * value, "layer", "experiment" (the eid) and "slot".
 */
import {
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderFatalError,
  ProviderNotReadyError,
  type ResolutionDetails,
  type ServerProviderEvents,
  type TrackingEventDetails,
} from "@openfeature/server-sdk";

import type { Client } from "./client.js";
import { closed, Events } from "./openfeature/events.js";
import { Flags, type Options, type Source } from "./openfeature/flags.js";

/** StrataProvider reads flags of a client. */
export class StrataProvider implements Provider {
  readonly metadata = { name: "strata" } as const;
  readonly runsOn = "server";
  /**
   * READY once there is a configuration and whenever the server is heard again, STALE when
   * it is not, ERROR when initialize fails and, fatal, when the client is closed, and
   * CONFIGURATION_CHANGED with the keys of the flags.
   */
  readonly events = new OpenFeatureEventEmitter();
  readonly #client: Pick<Client, "ready" | keyof Source>;
  readonly #flags: Flags;
  readonly #told: Events;
  readonly #initTimeout: number;

  /** The client stays the caller's: closing the provider does not close it, so close it after that. */
  constructor(client: Pick<Client, "ready" | keyof Source>, options: Options = {}) {
    this.#client = client;
    this.#flags = new Flags(client, options);
    this.#told = new Events(client, (event, details) => this.events.emit(event as ServerProviderEvents, details));
    this.#initTimeout = options.initTimeout ?? 30_000;
  }

  /** Waits for a configuration. If there is none in time, the provider is ready as soon as there is one all the same. */
  initialize(): Promise<void> {
    this.#told.start();
    return this.#told.during(this.#ready());
  }

  /** Ends the events. The client goes on. */
  async onClose(): Promise<void> {
    this.#told.end();
  }

  async resolveBooleanEvaluation(
    flag: string,
    def: boolean,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    return this.#flags.resolve(flag, def, context, "boolean") as ResolutionDetails<boolean>;
  }

  async resolveStringEvaluation(
    flag: string,
    def: string,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<string>> {
    return this.#flags.resolve(flag, def, context, "string") as ResolutionDetails<string>;
  }

  async resolveNumberEvaluation(
    flag: string,
    def: number,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<number>> {
    return this.#flags.resolve(flag, def, context, "number") as ResolutionDetails<number>;
  }

  /** Takes objects and lists, which are shared: do not change them. */
  async resolveObjectEvaluation<T extends JsonValue>(
    flag: string,
    def: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    return this.#flags.resolve(flag, def, context, "object") as ResolutionDetails<T>;
  }

  track(name: string, context: EvaluationContext, details: TrackingEventDetails): void {
    this.#flags.track(name, context, details);
  }

  async #ready(): Promise<void> {
    try {
      await this.#client.ready(this.#initTimeout);
    } catch (error) {
      throw this.#client.status().state === "CLOSED"
        ? new ProviderFatalError(closed)
        : new ProviderNotReadyError((error as Error).message, { cause: error });
    }
    if (this.#client.status().state === "CLOSED") {
      throw new ProviderFatalError(closed);
    }
  }
}
