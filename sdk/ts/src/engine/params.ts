/** Parameters: read once, and written in the one form that is served. */
import { maxFaults, type Reason } from "./fault.js";
import { JsonError, Scanner } from "./jsonscan.js";
import { numberText, stringText } from "./number.js";
import { clip, compareText, utf8Length } from "./text.js";

/** How long the JSON text of parameters may be. */
const maxParamsBytes = 1 << 20;
/** How deep they may be nested, the outer object counted as 1. */
const maxParamsDepth = 64;
const maxKeyBytes = 256;

/** A JSON object of parameters. */
export class Params {
  /** Of the outermost object, in normal form: no white space, keys in their order. */
  text = "{}";
  /** Where this object stands in it. */
  start = 0;
  end = 2;
  /** In their order. */
  readonly members = new Map<string, Member>();

  /** The object as JSON text. */
  json(): string {
    return this.text.slice(this.start, this.end);
  }
}

/** A key of an object with its value: where they stand in the text. */
export interface Member {
  /** Where the key begins. */
  readonly start: number;
  /** Where the value begins. */
  readonly value: number;
  readonly end: number;
  /** The value, if that is an object. */
  readonly child: Params | undefined;
}

/** What is wrong with parameters, and where. */
export interface ParamsFault {
  readonly path: string;
  readonly problem: string;
  readonly reason: Reason;
}

/** Reads the text of a JSON object. It returns the faults of a text that is refused. */
export function parseParams(text: string): Params | readonly ParamsFault[] {
  const bytes = utf8Length(text);
  if (bytes > maxParamsBytes) {
    const problem = `is ${bytes} bytes long, at most ${maxParamsBytes} are allowed`;
    return [{ path: "", problem, reason: "params-too-large" }];
  }
  try {
    return new Parser(text).parse();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return [invalid("", error.message)];
  }
}

function invalid(path: string, problem: string): ParamsFault {
  return { path, problem, reason: "invalid-params" };
}

/** Returns the place of a key, or of an index in brackets, under another place. */
export function joinPlace(path: string, key: string): string {
  return path === "" || key === "" || key.startsWith("[") ? path + key : `${path}.${key}`;
}

/** Reads parameters and writes their normal form as it goes. */
class Parser {
  private readonly scan: Scanner;
  private readonly out: string[] = [];
  private size = 0;
  private readonly faults: ParamsFault[] = [];
  /** The keys and indexes that lead to the open value. */
  private readonly steps: (string | number)[] = [];
  private readonly objects: Params[] = [];

  constructor(text: string) {
    this.scan = new Scanner(text);
  }

  parse(): Params | readonly ParamsFault[] {
    const kind = this.scan.kind();
    if (kind !== "an object" && kind !== "nothing") return [invalid("", `want an object, got ${kind}`)];
    const root = this.object(1);
    this.scan.end();
    if (this.faults.length > 0) return this.faults;
    const text = this.out.join("");
    for (const object of this.objects) object.text = text;
    return root;
  }

  private write(text: string): void {
    this.out.push(text);
    this.size += text.length;
  }

  /** Notes a fault of the open value, or of one under it. */
  private fail(problem: string, ...under: string[]): void {
    if (this.faults.length >= maxFaults) return;
    let path = "";
    for (const step of [...this.steps, ...under]) {
      path = joinPlace(path, typeof step === "number" ? `[${step}]` : step);
    }
    this.faults.push(invalid(path, problem));
  }

  private object(depth: number): Params {
    const object = new Params();
    this.objects.push(object);
    const repeated: string[] = [];
    object.start = this.size;
    this.write("{");
    this.scan.beginObject();
    for (let key = this.scan.nextKey(), first = true; key !== undefined; key = this.scan.nextKey(), first = false) {
      if (!first) this.write(",");
      const bytes = utf8Length(key);
      if (bytes > maxKeyBytes) {
        this.fail(`has a key of ${bytes} bytes, at most ${maxKeyBytes} are allowed`, clip(key));
      }
      const start = this.size;
      this.write(`${stringText(key)}:`);
      const value = this.size;
      this.steps.push(key);
      const child = this.value(depth);
      this.steps.pop();
      if (object.members.has(key)) repeated.push(key);
      object.members.set(key, { start, value, end: this.size, child });
    }
    this.write("}");
    object.end = this.size;
    for (const key of repeated.sort(compareText)) this.fail("stands twice", key);
    return object;
  }

  /** Reads the value that the steps lead to. It returns the object, if it is one. */
  private value(depth: number): Params | undefined {
    switch (this.scan.kind()) {
      case "an object":
        return this.isTooDeep(depth + 1) ? undefined : this.object(depth + 1);
      case "a list":
        if (!this.isTooDeep(depth + 1)) this.list(depth + 1);
        break;
      case "a number":
        this.number();
        break;
      case "a string":
        this.write(stringText(this.scan.string()));
        break;
      default:
        this.write(this.scan.skip());
    }
    return undefined;
  }

  /** Passes over what is nested too deep. */
  private isTooDeep(depth: number): boolean {
    if (depth <= maxParamsDepth) return false;
    this.fail(`is nested deeper than ${maxParamsDepth} levels`);
    this.scan.skip();
    return true;
  }

  private list(depth: number): void {
    this.write("[");
    this.scan.beginList();
    for (let i = 0; this.scan.nextItem(); i++) {
      if (i > 0) this.write(",");
      this.steps.push(i);
      this.value(depth);
      this.steps.pop();
    }
    this.write("]");
  }

  private number(): void {
    const text = this.scan.number();
    const number = Number(text);
    if (!Number.isFinite(number)) {
      this.fail(`${clip(text)} is larger than a double can be`);
    } else if (!Number.isSafeInteger(number) && !/[.eE]/.test(text)) {
      this.fail(`${clip(text)} is an integer beyond 2^53 - 1, which readers round differently: write it as a string`);
    } else {
      this.write(numberText(number));
    }
  }
}
