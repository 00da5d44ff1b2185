import { create } from "@bufbuild/protobuf";

import { keyText, slot, type Context, type Match } from "./engine/index.js";
import { utf8Length, isWellFormed } from "./engine/text.js";
import { type Exposure, ExposureSchema } from "./gen/strata/serving/v1/event_pb.js";
import { Meetings } from "./meetings.js";

// Limits of the contract.
export const maxKeyBytes = 4096;
const maxPathBytes = 4096;

/** Where exposures go. */
export interface Outgoing {
  /** Returns false for one that is dropped. */
  putExposure(exposure: Exposure): boolean;
  drop(count: number, why: string): void;
}

/** What was evaluated. */
export interface Occasion {
  readonly service: string;
  readonly context: Context;
  readonly position: { readonly epoch: bigint; readonly revision: bigint };
}

/** Exposer records who is exposed, each once in a window. */
export class Exposer {
  readonly #outgoing: Outgoing;
  readonly #meetings = new Meetings();

  constructor(outgoing: Outgoing) {
    this.#outgoing = outgoing;
  }

  expose(occasion: Occasion, match: Match, path: string, hidden: boolean): void {
    const key = keyOf(occasion.context, match.hashKey);
    if (key === undefined || this.#meetings.again(match, key, hidden)) {
      return; // without a key, the context is not what was evaluated
    }
    if (!isSendable(key, maxKeyBytes) || !isSendable(path, maxPathBytes)) {
      this.#outgoing.drop(1, "a key or path is not UTF-8, or too long to be sent");
      return;
    }
    const taken = this.#outgoing.putExposure(
      create(ExposureSchema, {
        service: occasion.service,
        layerId: match.layerId,
        hashKey: match.hashKey,
        key,
        slot: slot(match.salt, key),
        eid: match.eid,
        vid: match.vid,
        epoch: occasion.position.epoch,
        revision: occasion.position.revision,
        path,
        hidden,
      }),
    );
    if (!taken) {
      this.#meetings.forget(match, key, hidden);
    }
  }
}

/** Returns the key text of an attribute of a context, if it has one. */
export function keyOf(context: Context, name: string): string | undefined {
  try {
    return Object.hasOwn(context, name) ? keyText(context[name]) : undefined;
  } catch {
    return undefined; // what throws when it is looked at is no key
  }
}

/** Reports whether a server takes a text. */
export function isSendable(text: string, mostBytes: number): boolean {
  return isWellFormed(text) && utf8Length(text) <= mostBytes;
}
