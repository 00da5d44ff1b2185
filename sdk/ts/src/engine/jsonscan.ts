/**
 * Reads JSON text strictly, from front to back. JSON.parse is no help where the order
 * of keys, those that stand twice, and how numbers are written make a difference.
 */
import { isWellFormed, utf8Length } from "./text.js";

/** How deep arrays and objects may be nested, the outermost counted as 1. */
const maxDepth = 200;

/** Text that is not valid JSON. */
export class JsonError extends Error {}

const space = /[ \n\r\t]*/y;
// oxlint-disable-next-line no-control-regex -- they must be escaped
const run = /[^"\\\u0000-\u001f]*/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const hex4 = /[0-9a-fA-F]{4}/y;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** What a value is, by how it begins; "nothing" where none begins. */
export type JsonKind = "nothing" | "null" | "a boolean" | "a number" | "a string" | "a list" | "an object";

/** Reads one JSON text. Its methods throw JsonError. */
export class Scanner {
  private at = 0;
  private depth = 0;
  private first = false;

  constructor(private readonly text: string) {}

  /** Returns the kind of the next value without reading it. */
  kind(): JsonKind {
    const c = this.peek();
    switch (c) {
      case '"':
        return "a string";
      case "{":
        return "an object";
      case "[":
        return "a list";
      case "t":
      case "f":
        return "a boolean";
      case "n":
        return "null";
      default:
        return c === "-" || isDigit(c) ? "a number" : "nothing";
    }
  }

  /** Ends the text: anything but white space is an error. */
  end(): void {
    if (this.peek() !== "") this.fail(this.at, "text after the end of the value");
  }

  /** Reads the start of an object. Call nextKey until it is undefined. */
  beginObject(): void {
    if (this.peek() !== "{") this.fail(this.at, "want an object");
    this.begin();
  }

  /** Reads the start of a list. Call nextItem until it is false. */
  beginList(): void {
    this.begin();
  }

  /** Reads the next key of the object and its colon. At the end of the object, which it reads, there is none. */
  nextKey(): string | undefined {
    if (!this.next("}")) return undefined;
    if (this.peek() !== '"') this.fail(this.at, "want a key in double quotes");
    const key = this.string();
    if (this.peek() !== ":") this.fail(this.at, "want a colon after the key");
    this.at++;
    return key;
  }

  /** Reports whether the list has another item. At the end of the list, which it reads, it has not. */
  nextItem(): boolean {
    return this.next("]");
  }

  /** Reads a string. */
  string(): string {
    const start = this.at + 1;
    let end = this.match(run, start);
    let text = this.text.slice(start, end);
    for (let c = this.text.charAt(end); c !== '"'; c = this.text.charAt(end)) {
      if (c !== "\\") {
        this.fail(end, c === "" ? "a string without an end" : "a control character in a string must be escaped");
      }
      const [meaning, after] = this.escape(end);
      end = this.match(run, after);
      text += meaning + this.text.slice(after, end);
    }
    if (!isWellFormed(text)) this.fail(start, "a string that is not valid UTF-8");
    this.at = end + 1;
    return text;
  }

  /** Reads a number and returns its text as written. */
  number(): string {
    const { text, at } = this;
    const end = this.match(number, at);
    if (end === at) this.fail(at + 1, "want a digit"); // after the minus
    if (isDigit(text.charAt(end))) this.fail(end, "a number with a leading zero");
    const found = text.slice(at, end);
    const c = text.charAt(end);
    const exponent = c === "e" || c === "E";
    if ((exponent || (c === "." && !found.includes("."))) && !/[eE]/.test(found)) {
      const sign = text.charAt(end + 1);
      this.fail(exponent && (sign === "+" || sign === "-") ? end + 2 : end + 1, "want a digit");
    }
    this.at = end;
    return found;
  }

  /** Reads the next value, whatever it is, and returns its text if it is neither an object nor a list. */
  skip(): string {
    switch (this.kind()) {
      case "an object":
        this.begin();
        while (this.nextKey() !== undefined) this.skip();
        return "";
      case "a list":
        this.begin();
        while (this.nextItem()) this.skip();
        return "";
      case "a string":
        return this.string();
      case "a number":
        return this.number();
      case "nothing":
        return this.fail(this.at, "want a value");
      default:
        return this.word();
    }
  }

  private word(): string {
    const c = this.text.charAt(this.at);
    const word = c === "t" ? "true" : c === "f" ? "false" : "null";
    if (!this.text.startsWith(word, this.at)) this.fail(this.at, `want ${word}`);
    this.at += word.length;
    return word;
  }

  /** Passes over white space, and returns the character after it; none at the end. */
  private peek(): string {
    const c = this.text.charAt(this.at);
    if (c > " " || c === "") return c;
    this.at = this.match(space, this.at);
    return this.text.charAt(this.at);
  }

  private begin(): void {
    if (this.depth === maxDepth) this.fail(this.at, `nested deeper than ${maxDepth} levels`);
    this.depth++;
    this.at++;
    this.first = true;
  }

  /** Moves to the next element, over a comma unless it is the first one. */
  private next(closing: string): boolean {
    const { first } = this;
    this.first = false;
    const c = this.peek();
    if (c === closing) {
      this.at++;
      this.depth--;
      return false;
    }
    if (c === "") this.fail(this.at, `want ${closing}`);
    if (first) return true;
    if (c !== ",") this.fail(this.at, `want a comma or ${closing}`);
    this.at++;
    if (this.peek() === closing) this.fail(this.at, `a comma before ${closing}`);
    return true;
  }

  /** Decodes an escape. It returns what it means, and where it ends. */
  private escape(at: number): [string, number] {
    const c = this.text.charAt(at + 1);
    if (c === "") this.fail(at, "a backslash at the end of the text");
    const simple = escapes[c];
    if (simple !== undefined) return [simple, at + 2];
    if (c !== "u") this.fail(at, "an unknown escape");
    const high = this.unit(at + 2);
    if (high === undefined) return this.fail(at, "want four hexadecimal digits after \\u");
    if (high < 0xd800 || high > 0xdfff) return [String.fromCharCode(high), at + 6];
    const low = high < 0xdc00 && this.text.startsWith("\\u", at + 6) ? this.unit(at + 8) : undefined;
    if (low === undefined || low < 0xdc00 || low > 0xdfff) return this.fail(at, "half of a surrogate pair");
    return [String.fromCharCode(high, low), at + 12];
  }

  private unit(at: number): number | undefined {
    return this.match(hex4, at) > at ? Number.parseInt(this.text.slice(at, at + 4), 16) : undefined;
  }

  /** Returns where what matches at a place ends, and the place itself if nothing does. */
  private match(pattern: RegExp, at: number): number {
    pattern.lastIndex = at;
    return pattern.test(this.text) ? pattern.lastIndex : at;
  }

  private fail(at: number, problem: string): never {
    const why = at >= this.text.length ? `the text ends too early: ${problem}` : problem;
    throw new JsonError(`not valid JSON at byte ${utf8Length(this.text.slice(0, at))}: ${why}`);
  }
}

function isDigit(c: string): boolean {
  return c >= "0" && c <= "9" && c.length === 1;
}
