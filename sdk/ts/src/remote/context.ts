import { wellFormed } from "../engine/text.js";

/**
 * Returns a context as it is sent: JSON, equal for contexts that evaluate equally. It has
 * the attributes that a layer can hash or a rule compare, as all others count as absent:
 * strings, finite numbers and booleans. It is undefined for what is no context.
 */
export function contextText(context: unknown): string | undefined {
  if (typeof context !== "object" || context === null || Array.isArray(context)) {
    return undefined;
  }
  const members = Object.keys(context)
    .sort()
    .flatMap((name) => {
      const value = attribute(context, name);
      return value === undefined ? [] : `${JSON.stringify(wellFormed(name))}:${JSON.stringify(value)}`;
    });
  return `{${members.join(",")}}`;
}

/** Returns the key text of an attribute of a context, if it has one. */
export function keyOf(context: object, name: string): string | undefined {
  const value = attribute(context, name);
  if (typeof value === "string") {
    return value === "" ? undefined : value;
  }
  return Number.isSafeInteger(value) ? String(value) : undefined;
}

function attribute(context: object, name: string): string | number | boolean | undefined {
  let value: unknown;
  try {
    value = Object.hasOwn(context, name) ? (context as Record<string, unknown>)[name] : undefined;
  } catch {
    return undefined; // what throws when it is looked at is no value
  }
  if (typeof value === "string") {
    return wellFormed(value);
  }
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value)) ? value : undefined;
}
