/** Values of a context, as rules see them. */
import { numberText, stringText } from "./number.js";
import { wellFormed } from "./text.js";

/** A value that can be compared. A string has no half of a surrogate pair, a number is finite. */
export type Plain = string | number | boolean;

/**
 * Returns what a value counts as, undefined for null and for what counts as nothing:
 * NaN and the infinities, objects of whatever kind, BigInt, symbols, functions.
 */
export function plain(value: unknown): Plain | undefined {
  switch (typeof value) {
    case "string":
      return wellFormed(value);
    case "number":
      return Number.isFinite(value) ? value : undefined;
    case "boolean":
      return value;
    default:
      return undefined;
  }
}

/** Returns a value as JSON text. */
export function valueText(value: Plain | undefined): string {
  switch (typeof value) {
    case "string":
      return stringText(value);
    case "number":
      return Number.isFinite(value) ? numberText(value) : "null";
    case "boolean":
      return String(value);
    default:
      return "null";
  }
}
