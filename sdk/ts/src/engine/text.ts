/** Strings as the contract sees them: as UTF-8. */

const surrogate = /[\ud800-\udfff]/;
const lone = /\p{Surrogate}/u;
const eachLone = /\p{Surrogate}/gu;

/** Reports whether a string has no half of a surrogate pair, and so can be UTF-8. */
export function isWellFormed(text: string): boolean {
  return !surrogate.test(text) || !lone.test(text);
}

/** The string with U+FFFD for each half of a surrogate pair, which is how encoders of UTF-8 write them. */
export function wellFormed(text: string): string {
  return isWellFormed(text) ? text : text.replace(eachLone, "\ufffd");
}

/** How many bytes of UTF-8 a string has. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes++;
    } else if (unit < 0xd800 || unit > 0xdbff || !isLow(text.charCodeAt(i + 1))) {
      bytes += 2;
    } else {
      bytes += 2; // four bytes of two units
      i++;
    }
  }
  return bytes;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * Orders strings by code point, which is UTF-8 byte order: negative, 0 or
 * positive. The order of UTF-16, which < has, is another one.
 */
export function compareText(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** The place of a unit in the order: surrogates stand for code points above all others. */
function rank(unit: number): number {
  return unit < 0xd800 || unit > 0xdfff ? unit : unit + 0x10000;
}

/** Shortens text that came from outside to 40 bytes of UTF-8, for use in an error. */
export function clip(text: string): string {
  const most = 40;
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += utf8Length(character);
    if (bytes > most) return text.slice(0, end) + "...";
    end += character.length;
  }
  return text;
}
