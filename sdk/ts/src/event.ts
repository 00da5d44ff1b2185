import { create, type JsonObject } from "@bufbuild/protobuf";

import type { Context } from "./engine/index.js";
import { isSendable, keyOf, maxKeyBytes } from "./exposures.js";
import { EventSchema, type Event as EventMessage } from "./gen/strata/serving/v1/event_pb.js";

/** Something that a user did, or that was measured of them. */
export interface Event {
  /** What it was, such as "checkout": 1 to 256 bytes. */
  readonly name: string;
  /** The user. The attributes that layers hash are sent, at most 16 of them, and nothing else. */
  readonly context: Context;
  /** How much, if that can be said. Finite. */
  readonly value?: number | undefined;
  /** Anything else that JSON can hold: at most 16 KiB of it, nested at most 64 levels deep. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
}

// Limits of the contract.
const maxNameBytes = 256;
const maxUnits = 16;
const maxPropertiesBytes = 16 << 10;
/** Not one of the contract: what encodes them takes stack for each level. */
const maxPropertiesDepth = 64;

/** Returns what is sent of an event, or what is wrong with it. hashKeys are the attributes that layers hash. */
export function messageOf(event: Event, hashKeys: readonly string[]): EventMessage | string {
  const { name, context, value, properties }: Record<string, unknown> = { ...event };
  if (typeof name !== "string" || name === "" || !isSendable(name, maxNameBytes)) {
    return "the name of an event has 1 to 256 bytes of UTF-8";
  }
  if (value !== undefined && !Number.isFinite(value)) {
    return "the value of an event is finite";
  }
  const units = unitsOf(context, hashKeys);
  if (Object.keys(units).length === 0) {
    return "the context of an event has no attribute that a layer hashes";
  }
  const message = create(EventSchema, { name, units });
  if (typeof value === "number") {
    message.value = value;
  }
  if (properties !== undefined) {
    const object = jsonOf(properties);
    if (!object) {
      return "the properties of an event are an object of at most 16 KiB and 64 levels of JSON";
    }
    message.properties = object;
  }
  return message;
}

/** Returns the key texts of a context, by the attribute that is hashed. */
function unitsOf(context: unknown, hashKeys: readonly string[]): Record<string, string> {
  const units: [name: string, key: string][] = [];
  if (typeof context === "object" && context !== null) {
    for (const name of hashKeys) {
      const key = keyOf(context as Context, name);
      if (key !== undefined && units.length < maxUnits && isSendable(key, maxKeyBytes)) {
        units.push([name, key]);
      }
    }
  }
  return Object.fromEntries(units);
}

function jsonOf(properties: unknown): JsonObject | undefined {
  try {
    const text = JSON.stringify(properties);
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    const fits = isSendable(text, maxPropertiesBytes) && isWithin(value, maxPropertiesDepth);
    return isObject && fits ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Reports whether JSON is nested at most so many levels deep. */
function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) {
    return true;
  }
  return levels > 0 && Object.values(value).every((each) => isWithin(each, levels - 1));
}
