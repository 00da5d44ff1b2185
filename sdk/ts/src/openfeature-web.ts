/**
 * The provider of Strata for OpenFeature in browsers: code that reads flags through its API
 * gets the parameters of Strata.
 *
 *     await OpenFeature.setContext(user);
 *     await OpenFeature.setProviderAndWait(new StrataProvider(client, { targetingKey: "user_id" }));
 *     const version = OpenFeature.getClient().getStringValue("ranker_svc.model.version", "v1");
 *
 * The key of a flag is "service.path": the service is the longest one of the client's settings
 * that the key begins with, and what follows its dot is a path as in Evaluation. All types are read; an
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
 *
 * Of a flag that no experiment sets in which the user takes part, a browser does not know
 * whether there is one: it is FLAG_NOT_FOUND.
 */
import {
  type ClientProviderEvents,
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderFatalError,
  ProviderNotReadyError,
  type ResolutionDetails,
  type TrackingEventDetails,
} from "@openfeature/web-sdk";

import type { Client } from "./remote/client.js";
import { closed, Events } from "./openfeature/events.js";
import { Flags, type Options, type Source } from "./openfeature/flags.js";

/** StrataProvider reads flags of a client. */
export class StrataProvider implements Provider {
  readonly metadata = { name: "strata" } as const;
  readonly runsOn = "client";
  /**
   * READY once there is an answer and whenever the server is heard again, STALE when
   * it is not, ERROR when initialize fails and, fatal, when the client is closed, and
   * CONFIGURATION_CHANGED with the keys of the flags.
   */
  readonly events = new OpenFeatureEventEmitter();
  readonly #client: Pick<Client, "load" | keyof Source>;
  readonly #flags: Flags;
  readonly #told: Events;
  readonly #initTimeout: number;

  /** The client stays the caller's: closing the provider does not close it, so close it after that. */
  constructor(client: Pick<Client, "load" | keyof Source>, options: Options = {}) {
    this.#client = client;
    this.#flags = new Flags(client, options);
    this.#told = new Events(client, (event, details) =>
      this.events.emit(event as Exclude<ClientProviderEvents, ClientProviderEvents.ContextChanged>, details),
    );
    this.#initTimeout = options.initTimeout ?? 30_000;
  }

  /** Has a context evaluated. If there is no answer in time, the provider is ready as soon as there is one all the same. */
  initialize(context: EvaluationContext = {}): Promise<void> {
    this.#told.start();
    return this.#told.during(this.#load(context));
  }

  /** Has the new context evaluated, until which evaluations of it answer with defaults. */
  onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    return this.#told.during(this.#load(context));
  }

  /** Ends the events. The client goes on. */
  async onClose(): Promise<void> {
    this.#told.end();
  }

  resolveBooleanEvaluation(flag: string, def: boolean, context: EvaluationContext): ResolutionDetails<boolean> {
    return this.#flags.resolve(flag, def, context, "boolean") as ResolutionDetails<boolean>;
  }

  resolveStringEvaluation(flag: string, def: string, context: EvaluationContext): ResolutionDetails<string> {
    return this.#flags.resolve(flag, def, context, "string") as ResolutionDetails<string>;
  }

  resolveNumberEvaluation(flag: string, def: number, context: EvaluationContext): ResolutionDetails<number> {
    return this.#flags.resolve(flag, def, context, "number") as ResolutionDetails<number>;
  }

  /** Takes objects and lists, which are shared: do not change them. */
  resolveObjectEvaluation<T extends JsonValue>(flag: string, def: T, context: EvaluationContext): ResolutionDetails<T> {
    return this.#flags.resolve(flag, def, context, "object") as ResolutionDetails<T>;
  }

  track(name: string, context: EvaluationContext, details: TrackingEventDetails): void {
    this.#flags.track(name, context, details);
  }

  async #load(context: EvaluationContext): Promise<void> {
    try {
      await this.#client.load(this.#flags.contextOf(context), this.#initTimeout);
    } catch (error) {
      throw this.#client.status().state === "CLOSED"
        ? new ProviderFatalError(closed)
        : new ProviderNotReadyError((error as Error).message, { cause: error });
    }
  }
}
