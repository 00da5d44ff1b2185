import type { Event } from "../event.js";
import { isWellFormed } from "../engine/text.js";
import { keyOf } from "./context.js";

// Limits of the contract.
const maxNameBytes = 256;
const maxUnits = 16;
const maxKeyBytes = 4096;
const maxPropertiesBytes = 16 << 10;

/** Returns what is sent of an event, or what is wrong with it. hashKeys are the attributes that layers hash. */
export function messageOf(event: Event, hashKeys: Iterable<string>): Readonly<Record<string, unknown>> | string {
  const { name, context, value, properties }: Record<string, unknown> = { ...event };
  if (typeof name !== "string" || name === "" || !fits(name, maxNameBytes)) {
    return "the name of an event has 1 to 256 bytes of UTF-8";
  }
  if (value !== undefined && !Number.isFinite(value)) {
    return "the value of an event is finite";
  }
  const units = typeof context === "object" && context !== null ? unitsOf(context, hashKeys) : [];
  if (units.length === 0) {
    return "the context of an event has no attribute that a layer is known to hash";
  }
  if (!isProperties(properties)) {
    return "the properties of an event are an object of at most 16 KiB of JSON";
  }
  return { name, value, properties, units: Object.fromEntries(units) };
}

function unitsOf(context: object, hashKeys: Iterable<string>): [name: string, key: string][] {
  return [...hashKeys]
    .flatMap((name): [string, string][] => {
      const key = keyOf(context, name);
      return key !== undefined && fits(key, maxKeyBytes) ? [[name, key]] : [];
    })
    .slice(0, maxUnits);
}

function isProperties(properties: unknown): boolean {
  if (properties === undefined) {
    return true;
  }
  try {
    const text = JSON.stringify(properties);
    return text.startsWith("{") && fits(text, maxPropertiesBytes);
  } catch {
    return false;
  }
}

function fits(text: string, most: number): boolean {
  return isWellFormed(text) && new TextEncoder().encode(text).length <= most;
}
