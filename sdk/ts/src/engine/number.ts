/** Numbers and strings as JSON text, in the one form that all engines serve. */

/**
 * Returns a finite number as JSON text: safe integers as digits, all others as the
 * shortest text that gives the same double, with an exponent from 2^53 on, so that no
 * reader takes them for an exact integer.
 */
export function numberText(number: number): string {
  if (Number.isSafeInteger(number)) return String(number);
  const size = Math.abs(number);
  return size < 1e-6 || size > Number.MAX_SAFE_INTEGER ? number.toExponential() : String(number);
}

// oxlint-disable-next-line no-control-regex -- they must be escaped
const mustEscape = /["\\\u0000-\u001f]/;
// oxlint-disable-next-line no-control-regex
const eachToEscape = /["\\\u0000-\u001f]/g;

/** Returns a string as JSON text, in which only what must be is escaped. */
export function stringText(text: string): string {
  return mustEscape.test(text) ? `"${text.replace(eachToEscape, escaped)}"` : `"${text}"`;
}

function escaped(character: string): string {
  switch (character) {
    case '"':
    case "\\":
      return "\\" + character;
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    default:
      return "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
  }
}
