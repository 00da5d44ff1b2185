/** Versions by SemVer 2.0.0. */

/** A version. Numbers are kept as digits without leading zeros, since they have no upper limit. */
export interface Version {
  readonly major: string;
  readonly minor: string;
  readonly patch: string;
  /** Identifiers with dots between them; empty for a release. */
  readonly prerelease: string;
}

/**
 * Reads a version, undefined for a text that is none. A leading v is allowed, and
 * missing minor or patch are 0. Build metadata is checked and dropped. Texts may be
 * long, so nothing is made of one that is no version.
 */
export function parseVersion(text: string): Version | undefined {
  const plus = text.indexOf("+");
  if (plus >= 0 && !areIdentifiers(text, plus + 1, text.length, true)) return undefined;
  let end = plus < 0 ? text.length : plus;
  let prerelease = "";
  const minus = text.indexOf("-");
  if (minus >= 0 && minus < end) {
    if (!areIdentifiers(text, minus + 1, end, false)) return undefined;
    prerelease = text.slice(minus + 1, end);
    end = minus;
  }
  const numbers: string[] = [];
  for (let from = text.startsWith("v") ? 1 : 0, to: number; from <= end; from = to + 1) {
    to = endOf(text, from, end);
    if (numbers.length === 3 || !isNumeric(text, from, to) || hasLeadingZero(text, from, to)) return undefined;
    numbers.push(text.slice(from, to));
  }
  const [major, minor = "0", patch = "0"] = numbers;
  return major === undefined ? undefined : { major, minor, patch, prerelease };
}

/** Orders versions by SemVer 2.0.0, section 11: negative, 0 or positive. */
export function compareVersions(a: Version, b: Version): number {
  return (
    compareNumbers(a.major, b.major) ||
    compareNumbers(a.minor, b.minor) ||
    compareNumbers(a.patch, b.patch) ||
    comparePrereleases(a.prerelease, b.prerelease)
  );
}

function comparePrereleases(a: string, b: string): number {
  if (a === b) return 0;
  if (a === "" || b === "") return a === "" ? 1 : -1;
  let i = 0;
  let j = 0;
  while (i <= a.length && j <= b.length) {
    const left = a.slice(i, endOf(a, i, a.length));
    const right = b.slice(j, endOf(b, j, b.length));
    const order = compareIdentifiers(left, right);
    if (order !== 0) return order;
    i += left.length + 1;
    j += right.length + 1;
  }
  return i <= a.length ? 1 : -1; // what has more identifiers is larger
}

function compareIdentifiers(a: string, b: string): number {
  const aNumeric = isNumeric(a, 0, a.length);
  const bNumeric = isNumeric(b, 0, b.length);
  if (aNumeric && bNumeric) return compareNumbers(a, b);
  if (aNumeric !== bNumeric) return aNumeric ? -1 : 1;
  return compareAscii(a, b);
}

/** Compares digits without leading zeros. */
function compareNumbers(a: string, b: string): number {
  return a.length - b.length || compareAscii(a, b);
}

function compareAscii(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Where the part that begins at a place ends: before a dot, or at the end. */
function endOf(text: string, from: number, end: number): number {
  const dot = text.indexOf(".", from);
  return dot < 0 || dot > end ? end : dot;
}

function areIdentifiers(text: string, start: number, end: number, leadingZeros: boolean): boolean {
  for (let from = start, to: number; from <= end; from = to + 1) {
    to = endOf(text, from, end);
    if (!isIdentifier(text, from, to)) return false;
    if (!leadingZeros && isNumeric(text, from, to) && hasLeadingZero(text, from, to)) return false;
  }
  return true;
}

function isIdentifier(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const c = text.charCodeAt(i);
    const letter = c | 0x20;
    if (!isDigit(c) && (letter < 0x61 || letter > 0x7a) && c !== 0x2d) return false;
  }
  return from < to;
}

function isNumeric(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if (!isDigit(text.charCodeAt(i))) return false;
  }
  return from < to;
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

function hasLeadingZero(text: string, from: number, to: number): boolean {
  return to - from > 1 && text.charCodeAt(from) === 0x30;
}
