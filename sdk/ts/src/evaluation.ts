import type { Match, Result } from "./engine/index.js";

/** What an Evaluation reads from, and tells who is exposed by that. */
export interface Evaluated {
  readonly result: Pick<Result, "matches" | "read">;
  readonly revision: number;
  /** Reports whether a variant of the service sets anything at a path. */
  knows(path: string): boolean;
  /** Returns the user's slot in the layer of a match, 0 to 9,999. */
  slot(match: Match): number;
  /** Records that a match is exposed by reading a path, or would be but for layers of higher priority. */
  expose(match: Match, path: string, hidden: boolean): void;
}

/** A value with its source. It is shared: do not change it. */
export interface Parameter {
  /** What is there: JSON, frozen at every depth; undefined if nobody has set it. */
  readonly value: unknown;
  /**
   * Why it is what it is. SPLIT: an experiment without a rule has set it. TARGETING_MATCH:
   * one with a rule has. DEFAULT: nobody has set it for this user. ERROR: see error.
   */
  readonly reason: "SPLIT" | "TARGETING_MATCH" | "DEFAULT" | "ERROR";
  /**
   * Empty unless the reason is ERROR. NOT_READY: there is no configuration yet. NOT_FOUND:
   * no variant of the service sets anything there. INVALID_CONTEXT: what was given is not
   * a context.
   */
  readonly error: "" | "NOT_READY" | "NOT_FOUND" | "INVALID_CONTEXT";
  /**
   * Which variant has set it; of an object, the one of highest priority in it. They are
   * empty and 0 if nobody has.
   */
  readonly layerId: string;
  readonly eid: number;
  readonly vid: number;
  /** The user's slot in the layer, 0 to 9,999; -1 if nobody has set the value. */
  readonly slot: number;
  /** What was evaluated, 0 if there was nothing. */
  readonly revision: number;
}

/**
 * What one service gets in one context, of one revision. Reading a parameter records who
 * is exposed by that, so read what is used. Reading never throws; where there is nothing,
 * or something of another type, it returns the default that is given.
 *
 * Paths are keys joined by ".", such as "model.version"; a "." or "\" that belongs to a
 * key is written "\." or "\\". The empty path is the parameters as a whole.
 */
export class Evaluation {
  readonly #evaluated: Evaluated | "NOT_READY" | "INVALID_CONTEXT";

  /** Comes from a client; what it takes is no part of the contract. */
  constructor(evaluated: Evaluated | "NOT_READY" | "INVALID_CONTEXT") {
    this.#evaluated = evaluated;
  }

  /** Returns the string at a path. */
  getString(path: string, def: string): string {
    const value = this.#read(path);
    return typeof value === "string" ? value : def;
  }

  /** Returns the boolean at a path. */
  getBool(path: string, def: boolean): boolean {
    const value = this.#read(path);
    return typeof value === "boolean" ? value : def;
  }

  /** Returns the number at a path that is an integer of at most 2^53 - 1, either way. */
  getInt(path: string, def: number): number {
    const value = this.#read(path);
    return typeof value === "number" && Number.isSafeInteger(value) ? value : def;
  }

  /** Returns the number at a path. */
  getFloat(path: string, def: number): number {
    const value = this.#read(path);
    return typeof value === "number" ? value : def;
  }

  /** Returns the object at a path, frozen at every depth. */
  getObject<T extends object = Readonly<Record<string, unknown>>>(path: string, def: T): T {
    const value = this.#read(path);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as T) : def;
  }

  /** Returns what is at a path, and where it comes from. */
  lookup(path: string): Parameter {
    const evaluated = this.#evaluated;
    const nothing = { value: undefined, reason: "ERROR", layerId: "", eid: 0, vid: 0, slot: -1 } as const;
    if (typeof evaluated === "string") {
      return { ...nothing, error: evaluated, revision: 0 };
    }
    const { revision } = evaluated;
    if (typeof path !== "string") {
      return { ...nothing, error: "NOT_FOUND", revision }; // not all callers have types
    }
    const reading = this.#reading(evaluated, path);
    const match = evaluated.result.matches[reading.winner];
    if (match) {
      return {
        value: reading.value,
        reason: match.ruled ? "TARGETING_MATCH" : "SPLIT",
        error: "",
        layerId: match.layerId,
        eid: match.eid,
        vid: match.vid,
        slot: evaluated.slot(match),
        revision,
      };
    }
    return evaluated.knows(path)
      ? { ...nothing, value: reading.value, reason: "DEFAULT", error: "", revision }
      : { ...nothing, error: "NOT_FOUND", revision };
  }

  #read(path: string): unknown {
    const evaluated = this.#evaluated;
    return typeof evaluated === "string" || typeof path !== "string" ? undefined : this.#value(evaluated, path);
  }

  #value(evaluated: Evaluated, path: string): unknown {
    const { winner, value } = this.#reading(evaluated, path);
    // Of a service that there is not, the parameters as a whole are not empty, but none.
    return winner < 0 && path === "" && !evaluated.knows(path) ? undefined : value;
  }

  #reading(evaluated: Evaluated, path: string): ReturnType<Evaluated["result"]["read"]> {
    const { result } = evaluated;
    const reading = result.read(path);
    for (const i of reading.exposed) {
      const match = result.matches[i];
      if (match) {
        evaluated.expose(match, path, false);
      }
    }
    for (const i of reading.hidden) {
      const match = result.matches[i];
      if (match) {
        evaluated.expose(match, path, true);
      }
    }
    return reading;
  }
}
