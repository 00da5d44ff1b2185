/** What the engine takes and gives. */

/**
 * What is known about a user: attributes by name, of which the object's own
 * properties count. Strings, finite numbers, booleans and null are values; all
 * else counts as a value of another type, which no key and no condition takes.
 * Half a surrogate pair is hashed as U+FFFD, as it has no UTF-8.
 */
export type Context = Readonly<Record<string, unknown>>;

/** A variant that matched, in its layer. */
export interface Match {
  readonly layerId: string;
  /** The attribute that the layer hashes. */
  readonly hashKey: string;
  readonly salt: string;
  readonly eid: number;
  readonly vid: number;
  /** Whether its experiment has a rule. */
  readonly ruled: boolean;
  /**
   * Equal in two revisions, of which one was compiled from the other, if neither
   * the layer nor the experiment changed between them.
   */
  readonly window: number;
}

/** What is read at a path. It is shared, and never changes. */
export interface Reading {
  readonly path: string;
  /** The value as JSON text in normal form; empty where there is none. */
  readonly text: string;
  /** The value, frozen at every depth; undefined where there is none. */
  readonly value: unknown;
  /** The match that set it: an index into the result's matches, -1 where there is none. */
  readonly winner: number;
  /** The matches that are exposed and not hidden, ascending. */
  readonly exposed: readonly number[];
  /** The matches that are exposed, and hidden, ascending. */
  readonly hidden: readonly number[];
}

/** What one service gets. It is shared by all who got the same combination of variants, and never changes. */
export interface Result {
  /** The merged parameters: a JSON object as text in normal form. */
  readonly parameters: string;
  /** The matched variants, highest priority first. */
  readonly vids: readonly number[];
  /** Their layers, in the same order. */
  readonly matchedLayers: readonly string[];
  /** The matches, in the same order. */
  readonly matches: readonly Match[];
  /** Reads at a path, as docs/semantics.md writes paths. */
  read(path: string): Reading;
  /** Reads each leaf of each matched experiment, in UTF-8 byte order of the paths. */
  leaves(): readonly Reading[];
}

/** What came of a layer; the numbers of strata.serving.v1.LayerOutcome. */
export const Outcome = {
  /** The variant's parameters take part. */
  MATCHED: 1,
  /** The layer is not enabled. */
  DISABLED: 2,
  /** The request names layers, and not this one. */
  NOT_REQUESTED: 3,
  /** The context has no value that can be hashed. */
  NO_KEY: 4,
  /** The slot lies in no range. */
  FREE_SLOT: 5,
  /** The variant belongs to another service. */
  OTHER_SERVICE: 6,
  /** The experiment's rule is FALSE. */
  RULE_FALSE: 7,
  /** The experiment's rule is UNKNOWN. */
  RULE_UNKNOWN: 8,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** A value of Kleene's three-valued logic; the numbers of strata.serving.v1.Truth. */
export const Truth = { FALSE: 1, UNKNOWN: 2, TRUE: 3 } as const;
export type Truth = (typeof Truth)[keyof typeof Truth];

/** How a service's parameters came about. */
export interface Explanation {
  /** What evaluate returns. */
  readonly result: Result;
  /** All layers that have a variant of the service, in order of evaluation. */
  readonly layers: readonly LayerExplanation[];
  /** The decided paths, in UTF-8 byte order. */
  readonly parameters: readonly ParameterExplanation[];
  /** Whether parameters are not all, as their paths are longer than 16 MiB. */
  readonly truncated: boolean;
}

/** What one layer did. What comes after the step at which it was skipped is not set. */
export interface LayerExplanation {
  readonly layerId: string;
  readonly priority: number;
  readonly outcome: Outcome;
  /** The outcome in words. */
  readonly detail: string;
  readonly hashKey: string;
  /** The text that was hashed; empty if none was. */
  readonly key: string;
  /** The slot of the key, or -1. */
  readonly slot: number;
  /** The range that the slot lies in; both 0 if in none. */
  readonly start: number;
  readonly end: number;
  /** What the slot belongs to; both 0 if to nothing. */
  readonly eid: number;
  readonly vid: number;
  /** Undefined where the experiment has none, or was not asked. */
  readonly rule: RuleExplanation | undefined;
}

/** A node of a rule with what it came to. */
export interface RuleExplanation {
  /** The operator, as files write it: "and", "eq". */
  readonly op: string;
  readonly truth: Truth;
  readonly children: readonly RuleExplanation[];
  /** For conditions: the field, the type it was compared as, and what with. */
  readonly field: string;
  readonly type: string;
  readonly values: readonly (string | number | boolean)[];
  /** For conditions: what the context has, undefined if nothing. */
  readonly seen: unknown;
}

/** Where the value at a path came from. */
export interface ParameterExplanation {
  /** A JSON Pointer (RFC 6901). */
  readonly path: string;
  /** What set the value. */
  readonly winner: Contribution;
  /** What the winner hid, highest priority first. */
  readonly hidden: readonly Contribution[];
}

/** What one layer would set at a path. */
export interface Contribution {
  readonly layerId: string;
  readonly eid: number;
  readonly vid: number;
  /** JSON text. */
  readonly value: string;
}
