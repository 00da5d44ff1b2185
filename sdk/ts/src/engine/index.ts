/**
 * Answers which parameters a user gets. It is the one implementation of
 * docs/semantics.md in TypeScript, and agrees with those in other languages to the byte.
 *
 * Ruleset.compile turns a configuration into a Ruleset once, which then answers forever.
 * The engine knows about nothing else: there is no clock, network or file in it, nothing
 * that only Node or only browsers have, and a configuration or a context can not make it
 * fail but as it says.
 *
 * A reader may want the files in this order: bucket.ts (from key to slot), value.ts,
 * inputs.ts, rule.ts, params.ts, merge.ts, decide.ts, ruleset.ts (an evaluation),
 * compile.ts and link.ts (how a Ruleset is made), read.ts, explain.ts.
 */
import { Ruleset } from "./ruleset.js";

export { keyText, slot } from "./bucket.js";
export { type Fault, Faults, faultText, type Kind, type Reason } from "./fault.js";
export type { Change } from "./link.js";
export { joinPath, parsePath } from "./path.js";
export { Ruleset } from "./ruleset.js";
export {
  type Context,
  type Contribution,
  type Explanation,
  type LayerExplanation,
  type Match,
  Outcome,
  type ParameterExplanation,
  type Reading,
  type Result,
  type RuleExplanation,
  Truth,
} from "./types.js";

/**
 * Returns where parameters may differ between two configurations: service.path for each
 * leaf of each experiment that came, went or changed, or whose layer did, in UTF-8 byte
 * order. A dot in the name of a service stays as it is.
 */
export const { changed } = Ruleset;
